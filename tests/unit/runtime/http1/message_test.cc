#include "runtime/http1/message.h"

#include <catch2/catch.hpp>

using namespace steeple::runtime;

namespace {

using Fed = Result<std::optional<HttpServerRequest>>;

HttpServerRequest whole(HttpRequestReader& reader, std::string_view text) {
  Fed fed = reader.feed(as_bytes(text));
  REQUIRE(fed);
  REQUIRE(*fed);
  return std::move(**fed);
}

unsigned refusal_of(std::string_view text, HttpMessageLimits limits = {}) {
  HttpRequestReader reader(limits);
  Fed fed = reader.feed(as_bytes(text));
  return fed ? 0 : reader.refusal().status;
}

HttpServerRequest get_request() {
  HttpServerRequest request;
  request.method = "GET";
  return request;
}

const WallTime kDate{std::chrono::seconds(1795824123)};

}  // namespace

TEST_CASE("A request is read in one piece, or byte by byte") {
  const std::string text = "POST /a/b?x=1 HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nContent-Length: 3\r\n\r\nabc";
  HttpRequestReader reader({});
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    Fed fed = reader.feed(as_bytes(std::string_view(text).substr(i, 1)));
    REQUIRE(fed);
    REQUIRE_FALSE(*fed);
    CHECK(reader.started());
  }
  HttpRequestReader at_once({});
  for (const HttpServerRequest& request : {whole(reader, "c"), whole(at_once, text)}) {
    CHECK(request.method == "POST");
    CHECK(request.target == "/a/b?x=1");
    CHECK(request.path() == "/a/b");
    CHECK(request.header("x-one") == "1");
    CHECK(request.header("x-two").empty());
    CHECK(request.body == "abc");
    CHECK(request.keep_alive);
  }
  CHECK_FALSE(reader.started());
}

TEST_CASE("Requests that come together are read one after the other") {
  HttpRequestReader reader({});
  CHECK(whole(reader, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.0\r\n\r\nGE").target == "/1");
  HttpServerRequest second = whole(reader, "");
  CHECK(second.target == "/2");
  CHECK_FALSE(second.keep_alive);
  Fed none = reader.feed({});
  REQUIRE(none);
  CHECK_FALSE(*none);
  CHECK(whole(reader, "T /3 HTTP/1.1\r\nConnection: close\r\n\r\n").keep_alive == false);
}

TEST_CASE("A chunked body is put together") {
  HttpRequestReader reader({});
  CHECK(whole(reader, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n").body ==
        "abc");
}

TEST_CASE("A chunked body comes a byte at a time") {
  HttpRequestReader reader({});
  const std::string request = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t i = 0; i + 1 < request.size(); ++i) {
    const Fed fed = reader.feed(as_bytes(std::string_view(request).substr(i, 1)));
    REQUIRE(fed);
    REQUIRE_FALSE(*fed);
  }
  CHECK(whole(reader, "\n").body == "ab");
}

TEST_CASE("What is no HTTP, and what is too large, is refused") {
  HttpMessageLimits small;
  small.header_bytes_max = 200;
  small.body_bytes_max = 4;
  CHECK(refusal_of("hello\r\n\r\n") == 400);
  CHECK(refusal_of("GET / HTTP/9.9\r\n\r\n") == 400);
  CHECK(refusal_of("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n") == 400);
  CHECK(refusal_of("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n") == 400);
  CHECK(refusal_of("GET / HTTP/1.1\r\nA: " + std::string(300, 'x') + "\r\n\r\n", small) == 431);
  CHECK(refusal_of("GET / HTTP/1.1\r\nA: " + std::string(300, 'x'), small) == 431);
  CHECK(refusal_of("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", small) == 413);
  CHECK(refusal_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", small) == 413);
  CHECK(refusal_of("GET / HTTP/1.1\r\n\r\n", small) == 0);
}

TEST_CASE("100 Continue is asked for once, before the body") {
  HttpRequestReader reader({});
  Fed head = reader.feed(as_bytes("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
  REQUIRE(head);
  CHECK_FALSE(*head);
  CHECK(reader.take_expects_continue());
  CHECK_FALSE(reader.take_expects_continue());
  CHECK(whole(reader, "x").body == "x");
}

TEST_CASE("A reply has Go's headers; HEAD gets no body") {
  HttpServerRequest request = get_request();
  CHECK(encode_http_reply(http_not_found(), request, kDate) ==
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
        "Date: Sat, 28 Nov 2026 00:02:03 GMT\r\nContent-Length: 19\r\n\r\n404 page not found\n");
  request.method = "HEAD";
  request.keep_alive = false;
  CHECK(encode_http_reply({500, "application/json", {}, "{}\n"}, request, kDate) ==
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
        "Date: Sat, 28 Nov 2026 00:02:03 GMT\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
}

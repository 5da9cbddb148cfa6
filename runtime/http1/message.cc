#include "runtime/http1/message.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>

namespace steeple::runtime {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using Parser = http::request_parser<http::string_body>;

// What every chunked body ends with, at the least: no body is complete before as many bytes are there. Beast 1.74 takes
// them for granted where it looks a second time at the header of the last chunk.
constexpr std::string_view kLastChunk = "0\r\n\r\n";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string to_std(beast::string_view text) { return std::string(text.data(), text.size()); }

// "Sat, 28 Nov 2026 01:02:03 GMT"
std::string http_date(WallTime when) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t seconds = std::chrono::system_clock::to_time_t(when);
  tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon],
                     utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string reason_of(unsigned status) { return to_std(http::obsolete_reason(static_cast<http::status>(status))); }

HttpServerRequest request_of(Parser& parser) {
  HttpServerRequest request;
  request.keep_alive = parser.keep_alive();
  http::request<http::string_body>& message = parser.get();
  request.method = to_std(message.method_string());
  request.target = to_std(message.target());
  request.http_1_0 = message.version() < 11;
  for (const auto& field : message) {
    request.headers.emplace_back(lower(std::string_view(field.name_string().data(), field.name_string().size())),
                                 to_std(field.value()));
  }
  request.body = std::move(message.body());
  return request;
}

}  // namespace

std::string_view HttpServerRequest::path() const { return std::string_view(target).substr(0, target.find('?')); }

std::string_view HttpServerRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

HttpReply http_not_found() {
  return {404, "text/plain; charset=utf-8", {{"X-Content-Type-Options", "nosniff"}}, "404 page not found\n"};
}

std::string encode_http_reply(const HttpReply& reply, const HttpServerRequest& request, WallTime date) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", reply.status, reason_of(reply.status));
  if (!reply.content_type.empty()) out += "Content-Type: " + reply.content_type + "\r\n";
  for (const auto& [name, value] : reply.headers) out += name + ": " + value + "\r\n";
  out += fmt::format("Date: {}\r\nContent-Length: {}\r\n", http_date(date), reply.body.size());
  if (!request.keep_alive) {
    out += "Connection: close\r\n";
  } else if (request.http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  if (request.method != "HEAD") out += reply.body;
  return out;
}

struct HttpRequestReader::State {
  Parser parser;
  bool continue_asked = false;
};

HttpRequestReader::HttpRequestReader(HttpMessageLimits limits) : limits_(limits) {}
HttpRequestReader::~HttpRequestReader() = default;

bool HttpRequestReader::started() const { return !held_.empty() || state_; }

bool HttpRequestReader::take_expects_continue() {
  if (!state_ || !state_->parser.is_header_done() || state_->continue_asked) return false;
  state_->continue_asked = true;
  const beast::string_view expect = state_->parser.get()[http::field::expect];
  return beast::iequals(expect, "100-continue");
}

Error HttpRequestReader::refuse(unsigned status, ErrorCode code, std::string_view why) {
  const std::string text = fmt::format("{} {}", status, reason_of(status));
  refusal_ = {status, "text/plain; charset=utf-8", {}, text};
  return Error(code, fmt::format("HTTP request: {}", why));
}

Result<std::optional<HttpServerRequest>> HttpRequestReader::feed(BytesView bytes) {
  held_.append(as_text(bytes));
  while (!held_.empty()) {
    if (!state_) {
      state_ = std::make_unique<State>();
      state_->parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes_max));
      state_->parser.body_limit(limits_.body_bytes_max);
      state_->parser.eager(true);
    }
    Parser& parser = state_->parser;
    if (parser.is_header_done() && parser.chunked() && held_.size() < kLastChunk.size()) break;
    beast::error_code failed;
    const std::size_t used = parser.put(boost::asio::buffer(held_), failed);
    held_.erase(0, used);
    if (failed == http::error::header_limit) return refuse(431, ErrorCode::kLimit, "header is too large");
    if (failed == http::error::body_limit) return refuse(413, ErrorCode::kLimit, "body is too large");
    if (failed && failed != http::error::need_more) return refuse(400, ErrorCode::kMalformed, failed.message());
    if (parser.is_done()) {
      HttpServerRequest request = request_of(parser);
      state_.reset();
      return std::optional(std::move(request));
    }
    if (failed || used == 0) break;
  }
  return std::optional<HttpServerRequest>();
}

}  // namespace steeple::runtime

#include "runtime/tls/encoding.h"

#include <catch2/catch.hpp>

#include "runtime/tls/der.h"

using namespace steeple::runtime;

TEST_CASE("base64 is standard and padded, and passes over line ends") {
  const std::pair<std::string, std::string> cases[] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                                                       {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe", "//4="}};
  for (const auto& [plain, encoded] : cases) {
    CHECK(base64_encode(as_bytes(plain)) == encoded);
    auto decoded = base64_decode(encoded);
    REQUIRE(decoded);
    CHECK(to_text(*decoded) == plain);
  }
  CHECK(to_text(*base64_decode("Zm\n9v\r\nYg==\n")) == "foob");
}

TEST_CASE("base64 refuses what is cut, altered or of the other alphabet") {
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "=", "Zg==Zg==", "Zm9v!", "Zm 9v", "__4=", "Zm9=v"}) {
    INFO(bad);
    CHECK_FALSE(base64_decode(bad));
  }
  CHECK(base64_decode("Zm9v!").error().message() == "illegal base64 data at input byte 4");
}

TEST_CASE("base64url is unpadded") {
  CHECK(base64url_encode(as_bytes("\xff\xfe")) == "__4");
  CHECK(to_text(*base64url_decode("__4")) == "\xff\xfe");
  CHECK_FALSE(base64url_decode("//4"));
  CHECK_FALSE(base64url_decode("__4="));
  CHECK(base64url_decode("_").error().message() == "illegal base64 data at input byte 0");
  CHECK(base64url_decode("Zm9v_").error().message() == "illegal base64 data at input byte 4");
}

TEST_CASE("digests are those of the standards") {
  CHECK(to_hex(sha1(as_bytes("abc"))) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(to_hex(sha256(as_bytes("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha512(as_bytes("abc"))).starts_with("ddaf35a193617abacc417349ae204131"));
}

TEST_CASE("DER lengths, integers, bits and times are minimal") {
  CHECK(to_hex(der::integer({})) == "020100");
  CHECK(to_hex(der::integer(Bytes{0x00, 0x80})) == "02020080");
  CHECK(to_hex(der::integer(Bytes{0x00, 0x00, 0x7f})) == "02017f");
  CHECK(to_hex(der::named_bits(0x15)) == "030203a8");  // digitalSignature, keyEncipherment, keyAgreement
  CHECK(to_hex(der::named_bits(0x60)) == "03020106");  // keyCertSign, cRLSign
  CHECK(der::element(der::kSequence, Bytes(127)).size() == 129);
  CHECK(der::element(der::kSequence, Bytes(128)).size() == 131);
  CHECK(der::element(der::kSequence, Bytes(256)).size() == 260);
  WallTime y2026(std::chrono::seconds(1767323045));
  CHECK(as_text(der::time(y2026)) ==
        "\x17\x0d"
        "260102030405Z");
  WallTime y2050(std::chrono::seconds(2524608000));
  CHECK(as_text(der::time(y2050)) ==
        "\x18\x0f"
        "20500101000000Z");
}

TEST_CASE("The first DER element must be whole") {
  Bytes element = der::element(der::kSequence, Bytes(300));
  CHECK(der::first_element_size(element).value() == element.size());
  for (std::size_t cut = 0; cut < element.size(); cut += 7)
    CHECK_FALSE(der::first_element_size(BytesView(element).first(cut)));
  CHECK_FALSE(der::first_element_size(Bytes{0x30, 0x80, 0, 0}));  // indefinite length
  CHECK_FALSE(der::first_element_size(Bytes{0x30, 0x85, 0, 0, 0, 0, 1, 0}));
}

TEST_CASE("hexadecimal: either case is read, nothing else") {
  CHECK(hex_decode("00fFA9").value() == Bytes{0x00, 0xff, 0xa9});
  CHECK(hex_decode("").value().empty());
  for (const char* bad : {"0", "0g", "g0", "0 ", "0x"}) CHECK(hex_decode(bad).error().code() == ErrorCode::kMalformed);
}

// PEM: blocks in, blocks out.
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "runtime/core/go_text.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/openssl_handles.h"
#include "runtime/tls/x509.h"

namespace steeple::runtime {
namespace {

constexpr std::size_t kPemSizeMax = 64 * 1024 * 1024;

// Frees what PEM_read_bio gives; the bytes may be a private key.
struct RawBlock {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  RawBlock() = default;
  RawBlock(const RawBlock&) = delete;
  RawBlock& operator=(const RawBlock&) = delete;
  ~RawBlock() {
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<std::size_t>(size));
  }
};

}  // namespace

Result<std::vector<PemBlock>> parse_pem_blocks(std::string_view text) {
  std::vector<PemBlock> blocks;
  if (text.size() > kPemSizeMax) return Error(ErrorCode::kLimit, "PEM text is too large");
  OpensslPtr<BIO> source(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  clear_openssl_errors();
  while (source) {
    RawBlock raw;
    if (PEM_read_bio(source.get(), &raw.name, &raw.header, &raw.data, &raw.size) != 1) {
      bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      if (!at_end)
        return openssl_error(ErrorCode::kMalformed, fmt::format("malformed PEM block {}", blocks.size() + 1));
      clear_openssl_errors();
      break;
    }
    std::string type = raw.name;
    if (std::string_view(raw.header).find("ENCRYPTED") != std::string_view::npos) type = "ENCRYPTED PRIVATE KEY";
    blocks.push_back(PemBlock{std::move(type), SecretBytes(BytesView(raw.data, static_cast<std::size_t>(raw.size)))});
    if (blocks.size() > kCertificatesMax) return Error(ErrorCode::kLimit, "too many PEM blocks");
  }
  return blocks;
}

Result<Certificates> parse_certificates_pem(std::string_view pem) {
  STEEPLE_TRY(blocks, parse_pem_blocks(pem));
  if (blocks.empty()) return Error(ErrorCode::kMalformed, "no PEM blocks");
  Certificates certificates;
  certificates.reserve(blocks.size());
  for (const PemBlock& block : blocks) {
    if (block.type != "CERTIFICATE") {
      return Error(ErrorCode::kMalformed, "expected block type \"CERTIFICATE\"; got " + go_quote(block.type));
    }
    Result<Certificate> certificate = Certificate::parse(block.bytes.view());
    if (!certificate) {
      return std::move(certificate.error())
          .with_context(fmt::format("unable to parse \"CERTIFICATE\" PEM block {}", certificates.size() + 1));
    }
    certificates.push_back(std::move(*certificate));
  }
  return certificates;
}

std::string to_pem(std::string_view block_type, BytesView der) {
  constexpr std::size_t kLineBytes = 48;  // 64 columns
  std::string out = fmt::format("-----BEGIN {}-----\n", block_type);
  out.reserve(out.size() * 2 + der.size() / 3 * 4 + der.size() / kLineBytes + 8);
  for (std::size_t at = 0; at < der.size(); at += kLineBytes) {
    out += base64_encode(der.subspan(at, std::min(kLineBytes, der.size() - at)));
    out += '\n';
  }
  return out += fmt::format("-----END {}-----\n", block_type);
}

std::string to_pem(const Certificate& certificate) { return to_pem("CERTIFICATE", certificate.der()); }

}  // namespace steeple::runtime

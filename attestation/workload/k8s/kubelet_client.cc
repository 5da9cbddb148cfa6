#include "attestation/workload/k8s/kubelet_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "runtime/tls/key_pair_pem.h"
#include "runtime/tls/keys.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::HttpResponse;
using runtime::HttpTls;
using runtime::HttpVerify;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr std::size_t kRequestsQueuedMax = 4;

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

Result<std::string> load_file(const std::string& path, std::string_view what) {
  return runtime::with_context(runtime::read_file(path, kCredentialBytesMax), fmt::format("unable to load {}", what));
}

bool may_stand_in_header(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= ' ' && byte != 0x7f) || c == '\t';
}

Result<void> check_authorities(const std::string& pem) {
  const auto parse_error = [](const std::string& why) {
    return Error(ErrorCode::kMalformed, "unable to parse kubelet CA: " + why);
  };
  auto blocks = runtime::parse_pem_blocks(pem);
  if (!blocks) return parse_error(blocks.error().message());
  for (const runtime::PemBlock& block : *blocks) {
    if (block.type != "CERTIFICATE") {
      return parse_error(fmt::format("expected block type \"CERTIFICATE\"; got {}", runtime::go_quote(block.type)));
    }
    auto certificate = runtime::Certificate::parse(block.bytes.view());
    if (!certificate) return parse_error(certificate.error().message());
  }
  if (blocks->empty()) return parse_error("no PEM blocks");
  return {};
}

Result<void> check_key_pair(const std::string& certificate_pem, runtime::BytesView key_pem) {
  const auto load_error = [](const std::string& why) {
    return Error(ErrorCode::kMalformed, "unable to load keypair: " + why);
  };
  auto chain = runtime::certificate_chain_from_pem(certificate_pem);
  if (!chain) return load_error(chain.error().message());
  if (auto block = runtime::private_key_block_from_pem(runtime::as_text(key_pem)); !block) {
    return load_error(block.error().message());
  }
  auto certificate = runtime::Certificate::parse(chain->front());
  if (!certificate) return load_error(certificate.error().message());
  auto key = runtime::PrivateKey::from_pem(runtime::as_text(key_pem));
  if (!key) return load_error(key.error().message());
  if (!runtime::same_public_key(certificate->public_key(), key->public_key())) {
    return load_error("tls: private key does not match public key");
  }
  return {};
}

}  // namespace

KubeletClient::KubeletClient(runtime::Loop& loop, KubeletConfig config, const runtime::Logger& log)
    : loop_(loop),
      config_(std::move(config)),
      log_(log),
      worker_(loop, 1, kRequestsQueuedMax),
      http_(loop, worker_),
      reader_(std::make_shared<PodListReader>()) {}

std::string KubeletClient::url() const {
  if (config_.read_only_port > 0) return fmt::format("http://127.0.0.1:{}/pods", config_.read_only_port);
  if (config_.node_name.empty()) return fmt::format("https://127.0.0.1:{}/pods", config_.secure_port);
  const bool address6 = config_.node_name.find(':') != std::string::npos;
  const std::string host = address6 ? fmt::format("[{}]", config_.node_name) : config_.node_name;
  return fmt::format("https://{}:{}/pods", host, config_.secure_port);
}

// The files first, then what is in them: a missing token goes before an authority that is none.
Result<KubeletClient::Credentials> KubeletClient::read_credentials() const {
  Credentials credentials;
  if (config_.read_only_port > 0) return credentials;
  if (!config_.skip_verification) {
    STEEPLE_TRY(authorities, load_file(config_.ca_path, "kubelet CA"));
    credentials.ca_pem = std::move(authorities);
  }
  if (!config_.anonymous) STEEPLE_CHECK(read_own_credentials(credentials));
  if (!config_.skip_verification) STEEPLE_CHECK(check_authorities(credentials.ca_pem));
  if (credentials.certificate_pem.empty() && credentials.private_key_pem.view().empty()) return credentials;
  STEEPLE_CHECK(check_key_pair(credentials.certificate_pem, credentials.private_key_pem.view()));
  return credentials;
}

Result<void> KubeletClient::read_own_credentials(Credentials& credentials) const {
  if (!config_.certificate_path.empty() && !config_.private_key_path.empty()) {
    STEEPLE_TRY(certificate, load_file(config_.certificate_path, "certificate"));
    STEEPLE_TRY(key, load_file(config_.private_key_path, "private key"));
    credentials.private_key_pem = runtime::SecretBytes(runtime::as_bytes(key));
    runtime::wipe_memory(key.data(), key.size());
    credentials.certificate_pem = std::move(certificate);
    return {};
  }
  if (!config_.certificate_path.empty()) {
    return Error(ErrorCode::kInvalidArgument, "the private key path is required with the certificate path");
  }
  if (!config_.private_key_path.empty()) {
    return Error(ErrorCode::kInvalidArgument, "the certificate path is required with the private key path");
  }
  STEEPLE_TRY(token, load_file(config_.token_path, "token"));
  credentials.token = trimmed(token);
  return {};
}

// The settings object stays the same while nothing but the token changed: a kept connection goes by it.
void KubeletClient::use(Credentials credentials) {
  token_ = std::move(credentials.token);
  const auto same = [](runtime::BytesView a, runtime::BytesView b) {
    return runtime::as_text(a) == runtime::as_text(b);
  };
  if (tls_ && tls_->ca_pem == credentials.ca_pem && tls_->certificate_pem == credentials.certificate_pem &&
      same(tls_->private_key_pem.view(), credentials.private_key_pem.view())) {
    return;
  }
  auto tls = std::make_shared<HttpTls>();
  tls->verify = config_.skip_verification   ? HttpVerify::kNone
                : config_.node_name.empty() ? HttpVerify::kChainOnly
                                            : HttpVerify::kFull;
  tls->ca_pem = std::move(credentials.ca_pem);
  tls->certificate_pem = std::move(credentials.certificate_pem);
  tls->private_key_pem = std::move(credentials.private_key_pem);
  tls_ = std::move(tls);
}

Result<void> KubeletClient::load() {
  STEEPLE_TRY(credentials, read_credentials());
  use(std::move(credentials));
  loaded_ = loop_.now();
  return {};
}

runtime::HttpRequest KubeletClient::request() const {
  runtime::HttpRequest request;
  request.url = url();
  request.follow_redirects = false;
  request.use_proxy = false;
  request.accept_gzip = true;
  request.plain_http = config_.read_only_port > 0;
  request.body_size_max = kPodListBytesMax;
  request.headers = {"Accept:", "User-Agent: Go-http-client/1.1"};
  if (!token_.empty()) request.headers.push_back("Authorization: Bearer " + token_);
  if (!request.plain_http) request.tls = tls_;
  request.sink = [reader = reader_](std::string_view piece) { return reader->feed(piece); };
  return request;
}

void KubeletClient::log_oddities(const PodListReader& reader) const {
  if (reader.without_uid() > 0) log_.warning("Pod has no UID", {{"count", reader.without_uid()}});
  if (reader.broken() > 0) log_.warning("Pod cannot be decoded", {{"count", reader.broken()}});
  if (reader.malformed_ids() > 0) log_.error("Malformed container id", {{"count", reader.malformed_ids()}});
  if (reader.oversized() > 0) log_.warning("Pod is too large", {{"count", reader.oversized()}});
}

// Of an answer that had begun: what was asked is no part of the text.
Error KubeletClient::read_error(const Error& error) const {
  std::string_view text = error.message();
  const std::string asked = fmt::format("Get \"{}\": ", url());
  if (text.starts_with(asked)) text.remove_prefix(asked.size());
  return Error(error.code(), fmt::format("unable to read pods response: {}", text));
}

Task<Result<std::shared_ptr<const PodIndex>>> KubeletClient::fetch(StopToken stop) {
  if (!loaded_ || loop_.now() - *loaded_ >= config_.reload_interval) STEEPLE_CO_CHECK(load());
  if (!std::ranges::all_of(token_, may_stand_in_header)) {
    co_return Error(ErrorCode::kInvalidArgument,
                    fmt::format("unable to perform request: Get \"{}\": net/http: invalid header field value for "
                                "\"Authorization\"",
                                url()));
  }
  reader_->begin();
  Result<HttpResponse> answer =
      co_await http_.send(request(), Deadline::after(loop_.now(), kKubeletTimeout), std::move(stop));
  if (!answer) {
    if (answer.error().code() == ErrorCode::kMalformed) co_return std::move(answer.error());
    const bool began = reader_->bytes() > 0 || answer.error().code() == ErrorCode::kLimit;
    if (began) co_return read_error(answer.error());
    co_return std::move(answer.error()).with_context("unable to perform request");
  }
  if (answer->status_code != 200) {
    co_return Error(ErrorCode::kUnavailable, fmt::format("unexpected status code on pods response: {} {}",
                                                         answer->status_code, answer->body.substr(0, kRefusalTextMax)));
  }
  STEEPLE_CO_TRY(index, reader_->finish());
  log_oddities(*reader_);
  co_return std::move(index);
}

}  // namespace steeple::attestation

// x509 mint: an X509-SVID for a key that is made here and leaves with it.
#include <fmt/format.h>

#include <cstdint>

#include "agent/spiffe/spiffe_id.h"
#include "deploy/devserver/cli/bundle_text.h"
#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/server_client.h"
#include "runtime/os/file.h"
#include "runtime/tls/csr.h"
#include "runtime/tls/x509.h"
#include "spire/api/server/bundle/v1/bundle.pb.h"
#include "spire/api/server/svid/v1/svid.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::svid::v1;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

struct MintFlags {
  std::string spiffe_id;
  std::chrono::nanoseconds ttl{0};
  std::vector<std::string> dns_names;
  std::string write;
};

struct Minted {
  std::string svid;  // PEM, as the others
  std::string key;
  std::string roots;
};

Error wrong(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

Result<v1::MintX509SVIDRequest> request_for(const MintFlags& flags, const runtime::PrivateKey& key) {
  if (flags.spiffe_id.empty()) return wrong("spiffeID must be specified");
  STEEPLE_TRY(id, agent::SpiffeId::parse(flags.spiffe_id));
  auto seconds = std::chrono::ceil<std::chrono::seconds>(flags.ttl).count();
  if (seconds < 0 || seconds > INT32_MAX) return wrong("invalid value for TTL");
  STEEPLE_TRY(csr, runtime::with_context(runtime::make_csr(key, id.text(), flags.dns_names), "unable to generate CSR"));
  v1::MintX509SVIDRequest request;
  request.set_csr(std::string(runtime::as_text(csr)));
  request.set_ttl(static_cast<std::int32_t>(seconds));
  return request;
}

Result<Minted> mint(const std::string& socket, const MintFlags& flags) {
  STEEPLE_TRY(
      key, runtime::with_context(runtime::PrivateKey::generate(runtime::KeyType::kEcP256), "unable to generate key"));
  STEEPLE_TRY(request, request_for(flags, key));
  STEEPLE_TRY(response, runtime::with_context(call<v1::MintX509SVIDResponse>(
                                                  socket, "/spire.api.server.svid.v1.SVID/MintX509SVID", request),
                                              "unable to mint SVID"));
  if (response.svid().cert_chain().empty()) return wrong("server response missing SVID chain");
  STEEPLE_TRY(bundle, runtime::with_context(
                          call<spire::api::types::Bundle>(socket, "/spire.api.server.bundle.v1.Bundle/GetBundle",
                                                          spire::api::server::bundle::v1::GetBundleRequest()),
                          "unable to get bundle"));
  if (bundle.x509_authorities().empty()) return wrong("server response missing X509 Authorities");
  Minted minted;
  for (const std::string& der : response.svid().cert_chain()) {
    minted.svid += runtime::to_pem("CERTIFICATE", runtime::as_bytes(der));
  }
  STEEPLE_TRY(roots, format_bundle(bundle, BundleFormat::kPem));
  minted.roots = std::move(roots);
  minted.key = key.to_pem();  // last, so that no error leaves it behind
  return minted;
}

Result<void> write(const Minted& minted, const std::string& folder, Terminal& terminal) {
  struct File {
    std::string_view what;
    std::string_view name;
    const std::string& text;
    mode_t mode;
    std::string_view failed;
  };
  const File files[] = {{"X509-SVID", "svid.pem", minted.svid, 0644, "unable to write SVID"},
                        {"Private key", "key.pem", minted.key, 0600, "unable to write key"},
                        {"Root CAs", "bundle.pem", minted.roots, 0644, "unable to write bundle"}};
  for (const File& file : files) {
    std::string path = fmt::format("{}/{}", folder, file.name);
    STEEPLE_CHECK(
        runtime::with_context(runtime::replace_file(path, runtime::as_bytes(file.text), file.mode), file.failed));
    terminal.out(fmt::format("{} written to {}\n", file.what, path));
  }
  return {};
}

}  // namespace

int run_x509_mint(const Words& arguments, Terminal& terminal) {
  ClientCommand command("x509 mint");
  MintFlags flags;
  command.flags().add("spiffeID", flags.spiffe_id, "SPIFFE ID of the X509-SVID");
  command.flags().add("ttl", flags.ttl, "TTL of the X509-SVID");
  add_list_flag(command.flags(), "dns", flags.dns_names, "DNS name of the X509-SVID; may be given more than once");
  command.flags().add("write", flags.write, "Folder to write svid.pem, key.pem and bundle.pem to instead of stdout");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(minted, mint(socket, flags));
    Result<void> done;
    if (flags.write.empty()) {
      terminal.out(fmt::format("X509-SVID:\n{}\nPrivate key:\n", minted.svid));
      terminal.out(minted.key);
      terminal.out(fmt::format("\nRoot CAs:\n{}\n", minted.roots));
    } else {
      done = write(minted, flags.write, terminal);
    }
    runtime::wipe_memory(minted.key.data(), minted.key.size());
    return done;
  });
}

}  // namespace steeple::devserver

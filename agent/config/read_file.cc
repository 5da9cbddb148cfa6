// From the file's text to its sections.
#include <fmt/format.h>

#include "agent/config/hcl/parser.h"
#include "agent/config/load.h"
#include "agent/config/paths.h"
#include "agent/config/schema.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"

namespace steeple::agent {
namespace {

using hcl::ObjectReader;
using runtime::Result;

Result<void> read_reference_type(ObjectReader& reader, BrokerReferenceType& type) {
  STEEPLE_CHECK(read_keys(reader, type));
  type.unknown.add(reader.unknown_keys());
  return {};
}

Result<void> read_broker_entry(ObjectReader& reader, BrokerEntry& entry) {
  STEEPLE_CHECK(read_keys(reader, entry));
  STEEPLE_CHECK(reader.read_blocks("allowed_reference_types", [&](ObjectReader& inner) {
    return read_reference_type(inner, entry.allowed_reference_types.emplace_back());
  }));
  entry.unknown.add(reader.unknown_keys());
  return {};
}

Result<void> read_broker(ObjectReader& reader, BrokerSection& broker) {
  STEEPLE_CHECK(read_keys(reader, broker));
  STEEPLE_CHECK(reader.read_blocks(
      "brokers", [&](ObjectReader& inner) { return read_broker_entry(inner, broker.brokers.emplace_back()); }));
  broker.unknown.add(reader.unknown_keys());
  return {};
}

// A block whose presence means something.
template <class Section, class Read>
Result<void> read_optional(ObjectReader& reader, std::string_view key, std::optional<Section>& section, Read read) {
  Result<bool> found = reader.read_block(key, [&](ObjectReader& inner) {
    if (!section) section.emplace();
    return read(inner, *section);
  });
  if (!found) return std::move(found.error());
  return {};
}

template <class Section>
Result<void> read_plain(ObjectReader& reader, Section& section) {
  STEEPLE_CHECK(read_keys(reader, section));
  section.unknown.add(reader.unknown_keys());
  return {};
}

template <class Section, class Read>
Result<void> read_section(ObjectReader& reader, std::string_view key, Section& section, Read read) {
  Result<bool> found = reader.read_block(key, [&](ObjectReader& inner) { return read(inner, section); });
  if (!found) return std::move(found.error());
  return {};
}

Result<void> read_experimental(ObjectReader& reader, ExperimentalSection& section) {
  STEEPLE_CHECK(read_keys(reader, section));
  STEEPLE_CHECK(read_section(reader, "ratelimit", section.ratelimit, read_plain<RateLimitSection>));
  STEEPLE_CHECK(read_optional(reader, "broker", section.broker, read_broker));
  section.unknown.add(reader.unknown_keys());
  return {};
}

Result<void> read_agent(ObjectReader& reader, AgentSection& section) {
  STEEPLE_CHECK(read_keys(reader, section));
  const auto read_sds = [&section](ObjectReader& inner, SdsSection& sds) -> Result<void> {
    STEEPLE_CHECK(read_keys(inner, sds));
    section.sds_unknown.add(inner.unknown_keys());
    return {};
  };
  STEEPLE_CHECK(read_section(reader, "sds", section.sds, read_sds));
  STEEPLE_CHECK(read_section(reader, "experimental", section.experimental, read_experimental));
  section.unknown.add(reader.unknown_keys());
  return {};
}

Result<void> read_prometheus(ObjectReader& reader, PrometheusSection& section) {
  STEEPLE_CHECK(read_keys(reader, section));
  STEEPLE_CHECK(read_optional(reader, "tls", section.tls, read_plain<PrometheusTlsSection>));
  section.unknown.add(reader.unknown_keys());
  return {};
}

Result<void> read_sink(ObjectReader& reader, AddressSection& sink, bool has_env) {
  STEEPLE_CHECK(read_keys(reader, sink));
  if (has_env) STEEPLE_CHECK(reader.read("env", sink.env));
  sink.unknown.add(reader.unknown_keys());
  return {};
}

Result<void> read_telemetry(ObjectReader& reader, TelemetrySection& section) {
  const auto read_sinks = [&reader](std::string_view key, std::vector<AddressSection>& sinks, bool has_env) {
    return reader.read_blocks(
        key, [&sinks, has_env](ObjectReader& inner) { return read_sink(inner, sinks.emplace_back(), has_env); });
  };
  STEEPLE_CHECK(read_optional(reader, "Prometheus", section.prometheus, read_prometheus));
  STEEPLE_CHECK(read_sinks("DogStatsd", section.dog_statsd, false));
  STEEPLE_CHECK(read_sinks("Statsd", section.statsd, false));
  STEEPLE_CHECK(read_sinks("M3", section.m3, true));
  STEEPLE_CHECK(read_optional(reader, "InMem", section.in_mem, read_plain<InMemSection>));
  return read_plain(reader, section);
}

}  // namespace

Result<ConfigFile> decode_config(std::string_view text) {
  ConfigFile file;
  STEEPLE_TRY(document, hcl::parse(text));
  file.document = std::move(document);
  STEEPLE_TRY(reader, ObjectReader::open("root", hcl::View(file.document->root), &file.notes));
  STEEPLE_CHECK(read_section(reader, "agent", file.agent, read_agent));
  file.plugins = reader.read_raw("plugins");
  STEEPLE_CHECK(read_section(reader, "telemetry", file.telemetry, read_telemetry));
  STEEPLE_CHECK(read_section(reader, "health_checks", file.health_checks, read_plain<HealthChecksSection>));
  file.unknown = reader.unknown_keys();
  return file;
}

Result<ConfigFile> read_config_file(const std::string& path, bool expand, const Environment& environment) {
  const std::string used = path.empty() ? std::string(kDefaultConfigPath) : path;
  Result<std::string> text = runtime::read_file(used, hcl::kTextSizeMax);
  if (!text && text.error().code() == runtime::ErrorCode::kNotFound) {
    const Result<std::string> absolute = absolute_path(used);
    const std::string what =
        absolute ? fmt::format("could not find config file {}: please use the -config flag", *absolute)
                 : fmt::format("could not determine CWD; config file not found at {}: use -config", used);
    return runtime::Error(runtime::ErrorCode::kNotFound, what);
  }
  if (!text) {
    return std::move(text.error())
        .with_context(fmt::format("unable to read configuration at {}", runtime::go_quote(used)));
  }
  if (expand) *text = expand_env(*text, environment);
  return runtime::with_context(decode_config(*text),
                               fmt::format("unable to decode configuration at {}", runtime::go_quote(used)));
}

void merge_flags_and_defaults(ConfigFile& file, const ConfigFlags& flags) {
  AgentSection merged = flags.section;
  fill_unset_from(merged, file.agent);
  merged.sds = file.agent.sds;
  merged.sds_unknown = file.agent.sds_unknown;
  merged.experimental = file.agent.experimental;
  merged.unknown = file.agent.unknown;
  fill_defaults(merged);
  fill_defaults(merged.sds);
  fill_defaults(file.health_checks);
  fill_defaults(file.telemetry);
  file.agent = std::move(merged);
}

}  // namespace steeple::agent

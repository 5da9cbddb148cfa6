// Metrics as their consumers read them: Prometheus' text format 0.0.4 as Go's client writes it, StatsD and DogStatsD
// lines as Go's sinks send them (config-cli 6.1). Pure.
#pragma once

#include <string>

#include "runtime/core/metrics.h"

namespace steeple::agent {

std::string prometheus_text(const runtime::Metrics& metrics, runtime::SteadyTime now);
// A family without labels of the process itself, such as process_open_fds.
std::string prometheus_family(std::string_view name, std::string_view type, std::string_view help, double value);
std::string prometheus_number(double value);  // Go's %g, shortest

std::string statsd_line(const runtime::MetricEvent& event);     // "a.b.OK.host:1.000000|c\n"
std::string dogstatsd_line(const runtime::MetricEvent& event);  // "a.b:1|c|#status:OK,host:h\n"

// "FetchX509SVID" -> "fetch_x509svid" (upstream's rule for names of RPCs, config-cli 6.3).
std::string metric_snake_case(std::string_view name);

}  // namespace steeple::agent

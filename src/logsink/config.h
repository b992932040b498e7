#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace berth::logsink {

/// What the helper process of one container's log is told: where entries come from, where they go, and how they look
/// there. Made by the engine from the log options, with everything resolved.
struct Config {
  std::string driver;    ///< syslog, fluentd, gelf, journald
  std::string log_path;  ///< the file they come from, see logfile/segments.h

  std::string network;     ///< udp, tcp, tcp+tls, unix, unixgram; "" is the host's own syslog
  std::string host, port;  ///< of the first three
  std::string path;        ///< of the others
  std::string tls_ca, tls_cert, tls_key;
  bool tls_skip_verify = false;

  std::string tag, host_name, container_id, container_name;  ///< the name with its slash
  std::map<std::string, std::string> fields;                 ///< of each entry: fluentd, journald
  std::string json_fields;                                   ///< of each entry: gelf

  int facility = 3;    ///< syslog
  std::string format;  ///< syslog: "", rfc3164, rfc5424, rfc5424micro

  std::string compression = "gzip";  ///< gelf over UDP: gzip, zlib, none
  int compression_level = 1;

  bool async = false, request_ack = false, sub_second = false;  ///< fluentd
  std::int64_t reconnect_interval_ms = 0;                       ///< fluentd with async: a new connection that often
  std::int64_t write_timeout_ms = 0, read_timeout_ms = 0;       ///< 0: the helper's own

  std::int64_t retry_wait_ms = 500;          ///< the first; it grows
  std::optional<std::uint64_t> max_retries;  ///< then an entry is dropped; nullopt: it is not

  /// How much may wait for a sink that is slow or away; more is dropped, the oldest first. nullopt: as much as the
  /// files hold.
  std::optional<std::uint64_t> backlog_bytes, backlog_entries;

  static void describe(auto& self, auto&& field) {
    field("driver", self.driver);
    field("log_path", self.log_path);
    field("network", self.network);
    field("host", self.host);
    field("port", self.port);
    field("path", self.path);
    field("tls_ca", self.tls_ca);
    field("tls_cert", self.tls_cert);
    field("tls_key", self.tls_key);
    field("tls_skip_verify", self.tls_skip_verify);
    field("tag", self.tag);
    field("host_name", self.host_name);
    field("container_id", self.container_id);
    field("container_name", self.container_name);
    field("fields", self.fields);
    field("json_fields", self.json_fields);
    field("facility", self.facility);
    field("format", self.format);
    field("compression", self.compression);
    field("compression_level", self.compression_level);
    field("async", self.async);
    field("request_ack", self.request_ack);
    field("sub_second", self.sub_second);
    field("reconnect_interval_ms", self.reconnect_interval_ms);
    field("write_timeout_ms", self.write_timeout_ms);
    field("read_timeout_ms", self.read_timeout_ms);
    field("retry_wait_ms", self.retry_wait_ms);
    field("max_retries", self.max_retries);
    field("backlog_bytes", self.backlog_bytes);
    field("backlog_entries", self.backlog_entries);
  }
};

}  // namespace berth::logsink

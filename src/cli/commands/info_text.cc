#include "cli/commands/info_text.h"

#include <algorithm>

#include "base/core/text.h"
#include "cli/text/units.h"

namespace berth::cli {

namespace {

void line(std::string& out, std::string_view name, const std::string& value) {
  out += cat(" ", name, ": ", value, "\n");
}
void line_if(std::string& out, std::string_view name, const std::string& value) {
  if (!value.empty()) line(out, name, value);
}
std::string truth(const Json& info, std::string_view name) { return bool_at(info, name) ? "true" : "false"; }

void add_storage(std::string& out, const Json& info) {
  line(out, "Storage Driver", text_at(info, "Driver"));
  for (const Json& pair : array_at(info, "DriverStatus")) {
    const auto& both = as_array(pair);
    if (both.size() == 2)
      out += cat("  ", std::string_view{both[0].as_string()}, ": ", std::string_view{both[1].as_string()}, "\n");
  }
}

void add_plugins(std::string& out, const Json& info) {
  const Json& plugins = at(info, "Plugins");
  out += " Plugins:\n";
  out += cat("  Volume: ", join(texts_at(plugins, "Volume"), " "), "\n");
  out += cat("  Network: ", join(texts_at(plugins, "Network"), " "), "\n");
  if (const auto names = texts_at(plugins, "Authorization"); !names.empty()) {
    out += cat("  Authorization: ", join(names, " "), "\n");
  }
  out += cat("  Log: ", join(texts_at(plugins, "Log"), " "), "\n");
}

void add_runtimes(std::string& out, const Json& info) {
  std::vector<std::string> names;
  for (const auto& runtime : object_at(info, "Runtimes")) names.emplace_back(runtime.key());
  std::ranges::sort(names);
  line(out, "Runtimes", join(names, " "));
  line(out, "Default Runtime", text_at(info, "DefaultRuntime"));
  line(out, "Init Binary", text_at(info, "InitBinary"));
  for (const auto& [label, member] :
       {std::pair{"containerd version", "ContainerdCommit"}, std::pair{"runc version", "RuncCommit"},
        std::pair{"init version", "InitCommit"}}) {
    line(out, label, text_at(at(info, member), "ID"));
  }
}

/// "name=seccomp,profile=default" as a name and its options below it.
void add_security(std::string& out, const Json& info) {
  const std::vector<std::string> options = texts_at(info, "SecurityOptions");
  if (options.empty()) return;
  out += " Security Options:\n";
  for (const std::string& option : options) {
    for (const std::string& pair : split(option, ',')) {
      const std::size_t equals = pair.find('=');
      const std::string key = pair.substr(0, equals),
                        value = equals == std::string::npos ? "" : pair.substr(equals + 1);
      if (key == "name")
        out += cat("  ", value, "\n");
      else
        out += cat("   ",
                   static_cast<char>(key.empty()                      ? ' '
                                     : key[0] >= 'a' && key[0] <= 'z' ? key[0] - 32
                                                                      : key[0]),
                   key.substr(std::min<std::size_t>(1, key.size())), ": ", value, "\n");
    }
  }
}

void add_host(std::string& out, const Json& info) {
  line(out, "Kernel Version", text_at(info, "KernelVersion"));
  line(out, "Operating System", text_at(info, "OperatingSystem"));
  line(out, "OSType", text_at(info, "OSType"));
  line(out, "Architecture", text_at(info, "Architecture"));
  line(out, "CPUs", cat(number_at(info, "NCPU")));
  line(out, "Total Memory", binary_size(double_at(info, "MemTotal")));
  line(out, "Name", text_at(info, "Name"));
  line(out, "ID", text_at(info, "ID"));
  line(out, "Docker Root Dir", text_at(info, "DockerRootDir"));
  line(out, "Debug Mode", truth(info, "Debug"));
  if (bool_at(info, "Debug")) {
    out += cat("  File Descriptors: ", number_at(info, "NFd"), "\n");
    out += cat("  Goroutines: ", number_at(info, "NGoroutines"), "\n");
    out += cat("  System Time: ", text_at(info, "SystemTime"), "\n");
    out += cat("  EventsListeners: ", number_at(info, "NEventsListener"), "\n");
  }
}

void add_registries(std::string& out, const Json& info) {
  line_if(out, "HTTP Proxy", text_at(info, "HttpProxy"));
  line_if(out, "HTTPS Proxy", text_at(info, "HttpsProxy"));
  line_if(out, "No Proxy", text_at(info, "NoProxy"));
  const auto list = [&](std::string_view heading, const std::vector<std::string>& entries) {
    if (entries.empty()) return;
    out += cat(" ", heading, ":\n");
    for (const std::string& entry : entries) out += cat("  ", entry, "\n");
  };
  list("Labels", texts_at(info, "Labels"));
  line(out, "Experimental", truth(info, "ExperimentalBuild"));
  const Json& config = at(info, "RegistryConfig");
  std::vector<std::string> insecure;
  for (const auto& index : object_at(config, "IndexConfigs")) {
    if (!bool_at(index.value(), "Secure")) insecure.emplace_back(index.key());
  }
  for (const std::string& range : texts_at(config, "InsecureRegistryCIDRs")) insecure.push_back(range);
  list("Insecure Registries", insecure);
  list("Registry Mirrors", texts_at(config, "Mirrors"));
  line(out, "Live Restore Enabled", truth(info, "LiveRestoreEnabled"));
  line_if(out, "Product License", text_at(info, "ProductLicense"));
}

}  // namespace

std::string info_client_text(const Json& client) {
  std::string out = "Client: Berth\n";
  line(out, "Version", cat("   ", text_at(client, "Version")));
  line(out, "Context", cat("   ", text_at(client, "Context")));
  line(out, "Debug Mode", truth(client, "Debug"));
  return out;
}

std::string info_server_text(const Json& info) {
  std::string out = "\nServer:\n";
  line(out, "Containers", cat(number_at(info, "Containers")));
  out += cat("  Running: ", number_at(info, "ContainersRunning"), "\n");
  out += cat("  Paused: ", number_at(info, "ContainersPaused"), "\n");
  out += cat("  Stopped: ", number_at(info, "ContainersStopped"), "\n");
  line(out, "Images", cat(number_at(info, "Images")));
  line_if(out, "Server Version", text_at(info, "ServerVersion"));
  add_storage(out, info);
  line_if(out, "Logging Driver", text_at(info, "LoggingDriver"));
  line_if(out, "Cgroup Driver", text_at(info, "CgroupDriver"));
  line_if(out, "Cgroup Version", text_at(info, "CgroupVersion"));
  add_plugins(out, info);
  line(out, "Swarm", text_at(at(info, "Swarm"), "LocalNodeState"));
  add_runtimes(out, info);
  add_security(out, info);
  add_host(out, info);
  add_registries(out, info);
  return out + "\n";
}

}  // namespace berth::cli

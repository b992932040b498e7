#include "engine/host_files.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::engine {
namespace {

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t\r", at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf found;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 2) continue;
    const std::vector<std::string> values(words.begin() + 1, words.end());
    if (words[0] == "nameserver") found.nameservers.push_back(values[0]);
    if (words[0] == "search" || words[0] == "domain") found.search = values;  // the last one counts: resolv.conf(5)
    if (words[0] == "options") found.options.insert(found.options.end(), values.begin(), values.end());
  }
  return found;
}

void append_extra_hosts(std::string& out, const HostsFile& wanted) {
  for (const std::string& entry : wanted.extra_hosts) {
    const std::size_t separator = entry.find_first_of(":=");
    if (separator == std::string::npos) continue;
    std::string address = entry.substr(separator + 1);
    if (address == "host-gateway") address = wanted.host_gateway;
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    if (!address.empty()) out += cat(address, '\t', entry.substr(0, separator), '\n');
  }
}

}  // namespace

std::string make_hosts(const HostsFile& wanted) {
  std::string out =
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::\tip6-localnet\n"
      "ff00::\tip6-mcastprefix\n"
      "ff02::1\tip6-allnodes\n"
      "ff02::2\tip6-allrouters\n";
  append_extra_hosts(out, wanted);
  // The full name and the bare one, in whichever of the two settings the domain stands.
  const std::string full = wanted.domainname.empty() ? wanted.hostname : cat(wanted.hostname, '.', wanted.domainname);
  const std::size_t dot = full.find('.');
  const std::string names = dot == std::string::npos ? full : cat(full, ' ', full.substr(0, dot));
  if (wanted.hostname.empty()) return out;
  for (const std::string& address : wanted.addresses) out += cat(address, '\t', names, '\n');
  return out;
}

std::string extend_hosts(std::string_view host_file, const HostsFile& wanted) {
  std::string out{host_file};
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  append_extra_hosts(out, wanted);
  return out;
}

std::string make_resolv_conf(std::string_view host_file, const ResolvConf& wanted, bool own_network) {
  ResolvConf result = parse_resolv_conf(host_file);
  if (own_network) {
    std::erase_if(result.nameservers, [](const std::string& address) { return is_loopback(address); });
    if (result.nameservers.empty()) result.nameservers = {"8.8.8.8", "8.8.4.4"};
  }
  if (!wanted.nameservers.empty()) result.nameservers = wanted.nameservers;
  if (!wanted.search.empty()) result.search = wanted.search;
  if (!wanted.options.empty()) result.options = wanted.options;
  if (result.search.size() == 1 && result.search[0] == ".") result.search.clear();  // --dns-search=. wants none

  std::string out = "# Made by Berth for this container; edits last until its next start.\n\n";
  for (const std::string& address : result.nameservers) out += cat("nameserver ", address, '\n');
  if (!result.search.empty()) out += cat("search ", join(result.search, " "), '\n');
  if (!result.options.empty()) out += cat("options ", join(result.options, " "), '\n');
  return out;
}

void write_hosts(const HostFilesPlan& plan) {
  sys::write_file(plan.dir + "/hosts",
                  plan.own_network ? make_hosts(plan.hosts)
                                   : extend_hosts(sys::read_file_if_exists("/etc/hosts").value_or(""), plan.hosts));
}

void write_host_files(const HostFilesPlan& plan) {
  if (!plan.donor_dir.empty()) {
    for (const char* name : {"/hosts", "/hostname", "/resolv.conf"}) {
      sys::write_file(plan.dir + name, sys::read_file_if_exists(plan.donor_dir + name).value_or(""));
    }
    return;
  }
  write_hosts(plan);
  sys::write_file(plan.dir + "/hostname", plan.hostname + '\n');
  sys::write_file(plan.dir + "/resolv.conf", make_resolv_conf(sys::read_file_if_exists("/etc/resolv.conf").value_or(""),
                                                              plan.resolv_conf, plan.own_network));
}

}  // namespace berth::engine

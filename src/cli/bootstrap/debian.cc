#include "cli/bootstrap/debian.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/process.h"
#include "base/sys/socket.h"

namespace berth::cli {

namespace {

constexpr const char* kBuilder = "/usr/bin/mmdebstrap";
constexpr const char* kMergedUsrHooks = "/usr/share/mmdebstrap/hooks/merged-usr";

struct Extra {
  std::string_view path, content;
  mode_t mode = 0644;
};

/// What Docker's debian image sets up so that packages install well in a container: services don't start, downloads
/// and indexes take no space in layers, no translations.
constexpr std::array kExtras = {
    Extra{"usr/sbin/policy-rc.d", "#!/bin/sh\n# No service starts by itself in a container.\nexit 101\n", 0755},
    Extra{"etc/apt/apt.conf.d/docker-clean",
          "DPkg::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb "
          "/var/cache/apt/*.bin || true\"; };\n"
          "APT::Update::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb "
          "/var/cache/apt/*.bin || true\"; };\n"
          "Dir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\n"},
    Extra{"etc/apt/apt.conf.d/docker-no-languages", "Acquire::Languages \"none\";\n"},
    Extra{"etc/apt/apt.conf.d/docker-gzip-indexes",
          "Acquire::GzipIndexes \"true\";\nAcquire::CompressionTypes::Order:: \"gz\";\n"},
    Extra{"etc/apt/apt.conf.d/docker-autoremove-suggests", "Apt::AutoRemove::SuggestsImportant \"false\";\n"},
    Extra{"etc/dpkg/dpkg.cfg.d/docker-apt-speedup", "force-unsafe-io\n"}};

/// The tree that mmdebstrap copies over the new one. Folders get their usual mode whatever our umask is.
void write_extras(const std::string& root) {
  for (const Extra& extra : kExtras) {
    const std::string path = cat(root, "/", extra.path);
    sys::ensure_dir(path.substr(0, path.rfind('/')));
    sys::write_file(path, extra.content, extra.mode);
    ::chmod(path.c_str(), extra.mode);
  }
}

/// The host's apt proxy, which a container of this host needs as well.
std::vector<std::string> proxy_options() {
  std::vector<std::string> options;
  for (const std::string_view key : {"Acquire::http::Proxy", "Acquire::https::Proxy"}) {
    const sys::CommandResult result =
        sys::run_command({"/usr/bin/apt-config", "dump", "--format", "%v%n", std::string{key}});
    const std::string value{trim(result.output)};
    if (result.status.code == 0 && !value.empty()) options.push_back(cat("--aptopt=", key, " \"", value, "\""));
  }
  return options;
}

sys::Child start_builder(const std::string& suite, const std::vector<std::string>& sources, const std::string& extras,
                         const sys::UniqueFd& output) {
  std::vector<std::string> arguments = {kBuilder, "--variant=minbase", "--include=tzdata", "--format=tar",
                                        "--skip=chroot/policy-rc.d"};  // it would remove ours with its own
  // /usr is merged before anything is unpacked, as debootstrap does it; the package that does it afterwards needs perl.
  if (sys::exists(kMergedUsrHooks)) {
    arguments.push_back(cat("--hook-dir=", kMergedUsrHooks));
    arguments.emplace_back("--include=usr-is-merged");
  }
  for (std::string& option : proxy_options()) arguments.emplace_back(std::move(option));
  arguments.push_back(cat("--customize-hook=sync-in ", extras, " /"));
  arguments.push_back(
      "--customize-hook=rm -rf \"$1\"/etc/hostname \"$1\"/etc/resolv.conf \"$1\"/var/lib/apt/lists/* "
      "\"$1\"/var/cache/apt/* \"$1\"/var/log/*.log \"$1\"/var/log/apt/*");
  arguments.push_back(suite);
  arguments.emplace_back("-");
  arguments.insert(arguments.end(), sources.begin(), sources.end());
  return sys::spawn(
      {.program = kBuilder,
       .arguments = std::move(arguments),
       .environment = sys::own_environment(),
       .descriptors = {{STDIN_FILENO, STDIN_FILENO}, {output.get(), STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}}});
}

}  // namespace

bool is_suite_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

DebianTree::DebianTree(const std::string& suite, const std::vector<std::string>& sources)
    : extras_("/tmp", "berth-debian-") {
  if (!sys::exists(kBuilder)) throw not_found("mmdebstrap is not installed: apt-get install mmdebstrap");
  write_extras(extras_.path());
  ::chmod(extras_.path().c_str(), 0755);  // its mode goes over that of /
  auto [reading, writing] = sys::make_pipe();
  builder_ = start_builder(suite, sources, extras_.path(), writing);
  output_ = std::move(reading);
}

std::size_t DebianTree::read(char* buffer, std::size_t size) {
  if (ended_) return 0;
  const ssize_t got = sys::retry_on_eintr([&] { return ::read(output_.get(), buffer, size); });
  if (got < 0) throw errno_error("read", "mmdebstrap");
  if (got > 0) return static_cast<std::size_t>(got);
  ended_ = true;
  if (const sys::ExitStatus status = builder_.wait(); status.code != 0) {
    throw system_error(cat("mmdebstrap failed with code ", status.code, "; its messages are above"));
  }
  return 0;
}

}  // namespace berth::cli

#include "cli/bootstrap/busybox.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "archive/tar_writer.h"
#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"
#include "base/sys/process.h"

namespace berth::cli {

namespace {

/// The users that Docker's busybox image has.
constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
    "bin:x:2:2:bin:/bin:/bin/false\n"
    "sys:x:3:3:sys:/dev:/bin/false\n"
    "sync:x:4:100:sync:/bin:/bin/sync\n"
    "mail:x:8:8:mail:/var/spool/mail:/bin/false\n"
    "www-data:x:33:33:www-data:/var/www:/bin/false\n"
    "operator:x:37:37:Operator:/var:/bin/false\n"
    "nobody:x:65534:65534:nobody:/home:/bin/false\n";

constexpr std::string_view kGroup =
    "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nlp:x:7:\nmail:x:8:\nkmem:x:9:\n"
    "wheel:x:10:root\ncdrom:x:11:\ndialout:x:18:\nfloppy:x:19:\nvideo:x:28:\naudio:x:29:\ntape:x:32:\n"
    "www-data:x:33:\noperator:x:37:\nutmp:x:43:\nplugdev:x:46:\nstaff:x:50:\nlock:x:54:\nnetdev:x:82:\n"
    "users:x:100:\nnobody:x:65534:\n";

std::string shadow_text() {
  std::string out;
  for (const std::string& line : split(kPasswd, '\n')) {
    if (!line.empty()) out += cat(line.substr(0, line.find(':')), ":*:::::::\n");
  }
  return out;
}

std::string run_or_throw(const std::vector<std::string>& command) {
  const sys::CommandResult result = sys::run_command(command);
  if (result.status.code != 0) {
    throw system_error(cat(command.front(), " failed: ", trim(result.output)));
  }
  return result.output;
}

/// Debian's busybox-static, unpacked below `folder`; the path of its program.
std::string fetch_package(const std::string& folder) {
  // apt-get downloads into the current folder and has no option for another.
  run_or_throw({"/bin/sh", "-c", "cd \"$1\" && exec apt-get -q download busybox-static", "sh", folder});
  for (const std::string& name : sys::list_dir(folder)) {
    if (!name.ends_with(".deb")) continue;
    run_or_throw({"/usr/bin/dpkg-deb", "-x", cat(folder, "/", name), cat(folder, "/tree")});
    for (const std::string_view at : {"/tree/bin/busybox", "/tree/usr/bin/busybox"}) {
      if (sys::exists(cat(folder, at))) return cat(folder, at);
    }
  }
  throw not_found("the package busybox-static holds no busybox");
}

}  // namespace

bool is_static_elf(std::string_view program) {
  Elf64_Ehdr head{};
  if (program.size() < sizeof head) return false;
  std::memcpy(&head, program.data(), sizeof head);
  if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64) return false;
  for (std::size_t i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr segment{};
    const std::size_t offset = head.e_phoff + i * sizeof segment;
    if (offset > program.size() || program.size() - offset < sizeof segment) return false;
    std::memcpy(&segment, program.data() + offset, sizeof segment);
    if (segment.p_type == PT_INTERP) return false;
  }
  return true;
}

std::string find_static_busybox() {
  for (const char* path : {"/bin/busybox", "/usr/bin/busybox"}) {
    auto program = sys::read_file_if_exists(path);
    if (program && is_static_elf(*program)) return std::move(*program);
  }
  const sys::TemporaryDir folder{"/tmp", "berth-busybox-"};
  return sys::read_file(fetch_package(folder.path()));
}

std::vector<std::string> busybox_applets(const std::string& program_path) {
  std::vector<std::string> applets;
  for (const std::string& line : split(run_or_throw({program_path, "--list"}), '\n')) {
    if (!line.empty() && line != "busybox" && line.find('/') == std::string::npos) applets.push_back(line);
  }
  return applets;
}

void write_busybox_tree(ByteSink& out, std::string_view program, const std::vector<std::string>& applets) {
  archive::TarWriter tar{out};
  tar.add_dir("bin");
  tar.add_file("bin/busybox", program, 0755);
  for (const std::string& applet : applets) {  // with the program's mode: an unpacker may apply it through the link
    tar.begin(
        {.type = archive::EntryType::hard_link, .path = cat("bin/", applet), .link = "bin/busybox", .mode = 0755});
  }
  for (const char* folder : {"dev", "etc", "etc/network", "etc/network/if-down.d", "etc/network/if-post-down.d",
                             "etc/network/if-pre-up.d", "etc/network/if-up.d", "home", "proc", "sys"}) {
    tar.add_dir(folder);
  }
  tar.add_file("etc/group", kGroup);
  tar.add_file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  tar.add_file("etc/passwd", kPasswd);
  tar.add_file("etc/shadow", shadow_text(), 0640);
  tar.add_dir("root", 0700);
  tar.add_dir("tmp", 01777);
  for (const char* folder : {"usr", "usr/bin", "usr/sbin", "var", "var/spool", "var/spool/mail", "var/www"}) {
    tar.add_dir(folder);
  }
  tar.add_symlink("usr/bin/env", "../../bin/env");  // for "#!/usr/bin/env"
  tar.finish();
}

}  // namespace berth::cli

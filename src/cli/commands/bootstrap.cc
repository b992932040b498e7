#include <unistd.h>

#include "base/core/text.h"
#include "base/sys/file.h"
#include "cli/bootstrap/apt_sources.h"
#include "cli/bootstrap/busybox.h"
#include "cli/bootstrap/debian.h"
#include "cli/commands/commands.h"
#include "cli/commands/pull.h"
#include "cli/json_view.h"

namespace berth::cli {

namespace {

constexpr const char* kPath = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Text in memory, as sink while it is made and as source while it is sent.
class Buffer : public ByteSink, public ByteSource {
 public:
  void write(std::string_view bytes) override { text_ += bytes; }
  std::size_t read(char* buffer, std::size_t size) override {
    const std::size_t count = text_.copy(buffer, size, at_);
    at_ += count;
    return count;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

bool image_exists(Cli& cli, const std::string& name) {
  try {
    cli.api().get(cat("/images/", escape_path(name), "/json"));
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return false;
  }
}

void import_tree(Cli& cli, ByteSource& tree, const std::string& repository, const std::string& tag,
                 const std::string& command) {
  const Query query = Query{}
                          .add("fromSrc", "-")
                          .add("repo", repository)
                          .add("tag", tag)
                          .add("message", cat("berth image bootstrap ", repository, ":", tag))
                          .add("changes", kPath)
                          .add("changes", cat("CMD [\"", command, "\"]"));
  Reply reply = cli.api().open({.method = "POST", .path = cat("/images/create", query.text()), .upload = &tree});
  show_progress(reply, [](const std::string& text) { Cli::out(text); });
}

void make_busybox(Cli& cli) {
  Cli::out_line("Looking for a busybox that needs no libraries");
  const std::string program = find_static_busybox();
  const sys::TemporaryDir folder{"/tmp", "berth-busybox-"};
  const std::string path = cat(folder.path(), "/busybox");
  sys::write_file(path, program, 0700);
  const std::vector<std::string> applets = busybox_applets(path);
  Cli::out_line(cat("Making busybox:latest with ", applets.size(), " applets"));
  Buffer tree;
  write_busybox_tree(tree, program, applets);
  import_tree(cli, tree, "busybox", "latest", "sh");
}

void make_debian(Cli& cli, const std::string& suite) {
  const std::vector<std::string> sources = sources_for(read_host_sources(), suite);
  Cli::out_line(cat("Making debian:", suite, " from this host's package sources:"));
  for (const std::string& source : sources) Cli::out_line(cat("  ", source));
  DebianTree tree{suite, sources};
  import_tree(cli, tree, "debian", suite, "bash");
  if (suite != kDefaultSuite) return;
  const Query query = Query{}.add("repo", "debian").add("tag", "latest");
  cli.api().post(cat("/images/", escape_path(cat("debian:", suite)), "/tag", query.text()));
}

int bootstrap(Cli& cli, bool force, const std::string& wanted) {
  const std::size_t colon = wanted.find(':');
  const std::string repository = wanted.substr(0, colon);
  std::string tag = colon == std::string::npos ? "" : wanted.substr(colon + 1);
  if (repository == "debian" && (tag.empty() || tag == "latest")) tag = kDefaultSuite;
  if (repository == "busybox" && tag.empty()) tag = "latest";
  const bool known = (repository == "busybox" && tag == "latest") || (repository == "debian" && is_suite_name(tag));
  if (!known) throw invalid(cat("can't make ", quoted(wanted), ": there are busybox and debian[:SUITE]"));
  const std::string name = cat(repository, ":", tag);
  if (!force && image_exists(cli, name)) {
    Cli::out_line(cat(name, " is there already (--force makes it anew)"));
    return 0;
  }
  if (repository == "busybox")
    make_busybox(cli);
  else
    make_debian(cli, tag);
  Cli::out_line(cat(name, " is ready"));
  return 0;
}

Action prepare_bootstrap(FlagSet& flags) {
  auto force = std::make_shared<bool>(false);
  flags.boolean(*force, "force", 'f', "Make it anew when it is there already");
  return [force](Cli& cli, const Arguments& arguments) { return bootstrap(cli, *force, arguments[0]); };
}

constexpr Command kCommands[] = {
    {"image bootstrap", "[OPTIONS] busybox | debian[:SUITE]",
     "Make a base image from Debian packages, without a registry", 1, 1, AfterPositional::keep_parsing,
     prepare_bootstrap},
};

}  // namespace

std::span<const Command> bootstrap_commands() { return kCommands; }

}  // namespace berth::cli

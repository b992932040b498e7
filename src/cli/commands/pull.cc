#include "cli/commands/pull.h"

#include <unistd.h>

#include "base/core/text.h"
#include "cli/commands/commands.h"
#include "cli/json_view.h"
#include "cli/login_file.h"
#include "cli/stream/progress_view.h"
#include "cli/stream/terminal.h"
#include "oci/image.h"
#include "oci/reference.h"

namespace berth::cli {

namespace {

/// The headers that let the daemon in where its user has logged in.
std::vector<std::pair<std::string, std::string>> auth_headers(Cli& cli, const std::string& image) {
  return {{"X-Registry-Auth", LoginFile{cli.options()}.registry_auth(registry_of(image))}};
}

struct TransferOptions {
  std::string platform;
  bool all_tags = false, quiet = false, disable_trust = true;
};

struct PushOptions : TransferOptions {
  std::string compression;
  bool all_platforms = false;
};

/// What to ask for, by docker's rules for tags; says so when it takes the default one.
oci::Reference wanted_reference(const std::string& name, const TransferOptions& options) {
  if (!options.disable_trust) throw not_implemented("content trust is not implemented by Berth yet");
  oci::Reference reference = oci::parse_reference(name);
  const bool bare = reference.tag.empty() && reference.digest.empty();
  if (options.all_tags && !bare) throw invalid("tag can't be used with --all-tags/-a");
  if (!options.all_tags && bare) {
    reference = reference.with_default_tag();
    if (!options.quiet) Cli::out_line("Using default tag: latest");
  }
  return reference;
}

Query pull_query(const oci::Reference& reference, const std::string& platform) {
  Query query;
  query.add("fromImage", reference.familiar_name());
  const std::string& tag = reference.digest.empty() ? reference.tag : reference.digest;
  query.add_if(!tag.empty(), "tag", tag);
  query.add_if(!platform.empty(), "platform", platform);
  return query;
}

int pull(Cli& cli, const TransferOptions& options, const Arguments& arguments) {
  const oci::Reference reference = wanted_reference(arguments[0], options);
  Reply reply = cli.api().open({.method = "POST",
                                .path = cat("/images/create", pull_query(reference, options.platform).text()),
                                .headers = auth_headers(cli, arguments[0])});
  show_progress(reply, [quiet = options.quiet](const std::string& text) {
    if (!quiet) Cli::out(text);
  });
  Cli::out_line(reference.full());
  return 0;
}

int push(Cli& cli, const PushOptions& options, const Arguments& arguments) {
  const oci::Reference reference = wanted_reference(arguments[0], options);
  const Query query = Query{}
                          .add_if(!reference.tag.empty(), "tag", reference.tag)
                          .add_if(!options.platform.empty(), "platform", platform_json(options.platform))
                          .add_if(!options.compression.empty(), "compression", options.compression)
                          .add_if(options.all_platforms, "allPlatforms");
  Reply reply = cli.api().open({.method = "POST",
                                .path = cat("/images/", escape_path(reference.familiar_name()), "/push", query.text()),
                                .headers = auth_headers(cli, arguments[0])});
  show_progress(reply, [quiet = options.quiet](const std::string& text) {
    if (!quiet) Cli::out(text);
  });
  if (options.quiet) Cli::out_line(reference.full());
  return 0;
}

Action prepare_pull(FlagSet& flags) {
  auto options = std::make_shared<TransferOptions>();
  flags.boolean(options->all_tags, "all-tags", 'a', "Download all tagged images in the repository");
  flags.boolean(options->disable_trust, "disable-content-trust", 0, "Skip image verification");
  flags.text(options->platform, "platform", 0, "Set platform if server is multi-platform capable");
  flags.boolean(options->quiet, "quiet", 'q', "Suppress verbose output");
  return [options](Cli& cli, const Arguments& arguments) { return pull(cli, *options, arguments); };
}

Action prepare_push(FlagSet& flags) {
  auto options = std::make_shared<PushOptions>();
  flags.boolean(options->all_platforms, "all-platforms", 0,
                "Push the whole index: what is not here is fetched from where the image came from");
  flags.boolean(options->all_tags, "all-tags", 'a', "Push all tags of an image to the repository");
  flags.text(options->compression, "compression", 0, "How to compress layers: gzip, zstd");
  flags.boolean(options->disable_trust, "disable-content-trust", 0, "Skip image signing");
  flags.text(options->platform, "platform", 0, "Push the image's variant for this platform alone");
  flags.boolean(options->quiet, "quiet", 'q', "Suppress verbose output");
  return [options](Cli& cli, const Arguments& arguments) { return push(cli, *options, arguments); };
}

constexpr auto kParse = AfterPositional::keep_parsing;
constexpr Command kCommands[] = {
    {"image pull,pull", "[OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry", 1, 1, kParse,
     prepare_pull},
    {"image push,push", "[OPTIONS] NAME[:TAG]", "Upload an image to a registry", 1, 1, kParse, prepare_push},
};

}  // namespace

std::span<const Command> transfer_commands() { return kCommands; }

std::string platform_json(const std::string& platform) {
  if (platform.empty()) return "";
  const std::vector<std::string> parts = split(platform, '/');
  if (parts.size() < 2 || parts.size() > 3) {
    throw invalid(cat("invalid platform ", quoted(platform), ": OS/ARCHITECTURE[/VARIANT] is wanted"));
  }
  return json::to_json(oci::Platform{
      .architecture = parts[1], .os = parts[0], .os_version = {}, .variant = parts.size() == 3 ? parts[2] : ""});
}

std::string with_default_tag(const std::string& image) {
  const std::size_t slash = image.rfind('/');
  const std::string_view last = std::string_view{image}.substr(slash == std::string::npos ? 0 : slash + 1);
  return last.find_first_of(":@") == std::string_view::npos ? cat(image, ":latest") : image;
}

void show_progress(Reply& reply, const std::function<void(const std::string&)>& say) {
  ProgressView view{say, is_terminal(STDOUT_FILENO)};
  while (const auto line = reply.read_line()) view.show(*line);
}

void pull_image(Cli& cli, const std::string& image, const std::string& platform, bool quiet) {
  const oci::Reference reference = oci::parse_reference(image).with_default_tag();
  Reply reply = cli.api().open({.method = "POST",
                                .path = cat("/images/create", pull_query(reference, platform).text()),
                                .headers = auth_headers(cli, image)});
  show_progress(reply, [quiet](const std::string& text) {
    if (!quiet) Cli::err(text);
  });
}

}  // namespace berth::cli

#include "cli/commands/pull.h"

#include "base/core/text.h"
#include "base/json/json.h"
#include "cli/json_view.h"

namespace berth::cli {

std::string with_default_tag(const std::string& image) {
  const std::size_t slash = image.rfind('/');
  const std::string_view last = std::string_view{image}.substr(slash == std::string::npos ? 0 : slash + 1);
  return last.find_first_of(":@") == std::string_view::npos ? cat(image, ":latest") : image;
}

void show_progress(Reply& reply, const std::function<void(const std::string&)>& say) {
  std::string last;
  while (const auto line = reply.read_line()) {
    if (trim(*line).empty()) continue;
    const Json message = json::parse(*line);
    std::string error = text_at(at(message, "errorDetail"), "message");
    if (error.empty()) error = text_at(message, "error");
    if (!error.empty()) throw system_error(error);
    if (const std::string stream = text_at(message, "stream"); !stream.empty()) {
      say(stream);
      continue;
    }
    const std::string status = text_at(message, "status");
    if (status.empty() || !object_at(message, "progressDetail").empty()) continue;
    const std::string id = text_at(message, "id");
    std::string text = id.empty() ? cat(status, "\n") : cat(id, ": ", status, "\n");
    if (text != last) say(text);
    last = std::move(text);
  }
}

void pull_image(Cli& cli, const std::string& image, const std::string& platform, bool quiet) {
  const std::string full = with_default_tag(image);
  const std::size_t at_sign = full.find('@');
  const std::size_t colon = full.rfind(':');
  const std::string name = full.substr(0, at_sign == std::string::npos ? colon : at_sign);
  const std::string tag = full.substr((at_sign == std::string::npos ? colon : at_sign) + 1);
  const Query query = Query{}.add("fromImage", name).add("tag", tag).add_if(!platform.empty(), "platform", platform);
  Reply reply = cli.api().open({.method = "POST", .path = cat("/images/create", query.text())});
  show_progress(reply, [quiet](const std::string& text) {
    if (!quiet) Cli::err(text);
  });
}

}  // namespace berth::cli

// The `tag` of a log: a template over what Docker calls logger.Info.

#include <boost/json/serialize.hpp>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/core/time.h"
#include "engine/setup/log_options.h"
#include "template/template.h"

namespace berth::engine::setup {
namespace {

namespace js = boost::json;
using tmpl::Value;

constexpr std::size_t kShortId = 12;

std::string short_id(std::string_view id) {
  const std::size_t colon = id.find(':');
  if (colon != std::string_view::npos) id.remove_prefix(colon + 1);
  return std::string{id.substr(0, kShortId)};
}

Value text(std::string_view value) { return Value{js::value(js::string{value})}; }

Value list(const std::vector<std::string>& values) {
  js::array all;
  for (const std::string& value : values) all.emplace_back(value);
  return Value{js::value(std::move(all))};
}

Value map(const std::map<std::string, std::string>& values) {
  js::object all;
  for (const auto& [key, value] : values) all.emplace(key, value);
  return Value{js::value(std::move(all))};
}

class LogInfo final : public tmpl::Object {
 public:
  explicit LogInfo(const container::Record& record) : record_(record) {}

  std::optional<Value> member(std::string_view name, const std::vector<Value>&) const override {
    const container::Record& r = record_;
    if (name == "ID") return text(short_id(r.id));
    if (name == "FullID" || name == "ContainerID") return text(r.id);
    if (name == "Name") return text(r.name);
    if (name == "ContainerName") return text("/" + r.name);
    if (name == "ImageID") return text(short_id(r.image_id));
    if (name == "ImageFullID" || name == "ContainerImageID") return text(r.image_id);
    if (name == "ImageName" || name == "ContainerImageName") return text(r.config.image);
    if (name == "Command") return text(cat(r.path, r.args.empty() ? "" : " ", join(r.args, " ")));
    if (name == "ContainerEntrypoint") return text(r.path);
    if (name == "ContainerArgs") return list(r.args);
    if (name == "ContainerCreated") return text(format_time(Time{std::chrono::nanoseconds{r.created}}));
    if (name == "ContainerEnv") return list(r.config.env);
    if (name == "ContainerLabels") return map(r.config.labels);
    if (name == "Config") return map(r.host_config.log_config.config);
    if (name == "LogPath") return text(r.log_path);
    if (name == "DaemonName") return text("docker");  // what tags that were written for Docker expect
    if (name == "Hostname") return text(log_host_name());
    if (name == "ExtraAttributes") return map(extra_attributes(r));
    return std::nullopt;
  }
  std::string json_text() const override { return js::serialize(js::string{record_.id}); }
  std::string_view type_name() const override { return "*logger.Info"; }

 private:
  const container::Record& record_;
};

void replace_first(std::string& text, std::string_view what, std::string_view with) {
  if (const std::size_t at = text.find(what); at != std::string::npos) text.replace(at, what.size(), with);
}

}  // namespace

std::string log_tag(const container::Record& record, const std::string& fallback) {
  std::string source = option(record.host_config.log_config.config, "tag");
  if (source.empty()) source = fallback;
  if (source.find("{{") == std::string::npos) return source;
  const LogInfo info{record};
  try {
    return tmpl::Template{source}.run(Value{info});
  } catch (const Error& error) {
    std::string what = error.text();  // the template has a name in Docker
    replace_first(what, "template: :", "template: log-tag:");
    replace_first(what, "executing \"\"", "executing \"log-tag\"");
    throw invalid(what);
  }
}

}  // namespace berth::engine::setup

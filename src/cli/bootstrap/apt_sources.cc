#include "cli/bootstrap/apt_sources.h"

#include <algorithm>
#include <map>

#include "base/core/error.h"
#include "base/core/text.h"
#include "base/sys/file.h"

namespace berth::cli {

namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\n')
      word += c;
    else if (!word.empty())
      words.push_back(std::exchange(word, {}));
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

void add_stanza(std::vector<AptSource>& out, const std::map<std::string, std::string>& fields) {
  const auto field = [&](const std::string& name) {
    const auto found = fields.find(name);
    return words_of(found == fields.end() ? "" : found->second);
  };
  if (!contains(field("types"), "deb") || contains(field("enabled"), "no")) return;
  for (const std::string& uri : field("uris")) {
    for (const std::string& suite : field("suites")) out.push_back({uri, suite, field("components")});
  }
}

bool ends_with(const std::string& text, std::string_view end) { return text.ends_with(end); }

bool is_addition(const std::string& suite) {
  return suite.find('-') != std::string::npos || suite.find('/') != std::string::npos;
}

}  // namespace

std::vector<AptSource> parse_list_file(std::string_view text) {
  std::vector<AptSource> out;
  for (std::string line : split(text, '\n')) {
    line = line.substr(0, line.find('#'));
    if (const std::size_t open = line.find('['); open != std::string::npos && line.find(']') > open) {
      line.erase(open, line.find(']') - open + 1);  // options
    }
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 3 || words[0] != "deb") continue;
    out.push_back({words[1], words[2], {words.begin() + 3, words.end()}});
  }
  return out;
}

std::vector<AptSource> parse_deb822_file(std::string_view text) {
  std::vector<AptSource> out;
  std::map<std::string, std::string> fields;
  std::string last;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with('#')) continue;
    if (trim(line).empty()) {
      add_stanza(out, fields);
      fields.clear();
    } else if (line.front() == ' ' || line.front() == '\t') {
      fields[last] += cat(" ", trim(line));
    } else if (const std::size_t colon = line.find(':'); colon != std::string::npos) {
      last = to_lower(line.substr(0, colon));
      fields[last] = line.substr(colon + 1);
    }
  }
  add_stanza(out, fields);
  return out;
}

std::vector<AptSource> read_host_sources() {
  const std::string folder = "/etc/apt/sources.list.d";
  std::vector<AptSource> out = parse_list_file(sys::read_file_if_exists("/etc/apt/sources.list").value_or(""));
  std::vector<std::string> names = sys::list_dir(folder);
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const std::string text = sys::read_file_if_exists(cat(folder, "/", name)).value_or("");
    std::vector<AptSource> more;
    if (ends_with(name, ".list")) more = parse_list_file(text);
    if (ends_with(name, ".sources")) more = parse_deb822_file(text);
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

std::vector<std::string> sources_for(const std::vector<AptSource>& host, const std::string& suite) {
  const auto is_archive = [](const AptSource& source) {
    return contains(source.components, "main") && !is_addition(source.suite);
  };
  const auto has = [&](const std::string& uri, const std::string& wanted) {
    return std::ranges::any_of(host, [&](const AptSource& s) { return s.uri == uri && s.suite == wanted; });
  };
  // Debian's own archive is told from other people's by the suite, or by the updates that go with it.
  auto base = std::ranges::find_if(host, [&](const AptSource& s) { return is_archive(s) && s.suite == suite; });
  if (base == host.end()) {
    base = std::ranges::find_if(host,
                                [&](const AptSource& s) { return is_archive(s) && has(s.uri, s.suite + "-updates"); });
  }
  if (base == host.end()) base = std::ranges::find_if(host, is_archive);
  if (base == host.end())
    throw not_found("no source of Debian packages is set up in /etc/apt: add one, then try again");
  std::vector<std::string> lines = {cat("deb ", base->uri, " ", suite, " main")};
  if (suite == "sid" || suite == "unstable") return lines;
  if (has(base->uri, base->suite + "-updates")) lines.push_back(cat("deb ", base->uri, " ", suite, "-updates main"));
  for (const AptSource& source : host) {
    if (source.suite == base->suite + "-security") {
      lines.push_back(cat("deb ", source.uri, " ", suite, "-security main"));
      break;
    }
  }
  return lines;
}

}  // namespace berth::cli

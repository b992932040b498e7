#include <gtest/gtest.h>

#include "base/core/error.h"
#include "cli/bootstrap/apt_sources.h"
#include "cli/bootstrap/busybox.h"
#include "cli/bootstrap/debian.h"

namespace berth::cli {
namespace {

constexpr const char* kStanzas =
    "Types: deb\n# a comment\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n"
    "Types: deb\nURIs: http://mirror.test/security\nSuites: bookworm-security\nComponents: main\n";

TEST(AptSources, BothFormsAreRead) {
  EXPECT_EQ(parse_deb822_file(kStanzas).size(), 3u);
  const auto list = parse_list_file(
      "# x\ndeb [arch=amd64 signed-by=/k] http://a/debian sid main contrib\ndeb-src http://a sid main\n");
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].suite, "sid");
  EXPECT_EQ(list[0].components, (std::vector<std::string>{"main", "contrib"}));
}

TEST(AptSources, AnotherSuiteComesFromTheSameMirror) {
  const auto host = parse_deb822_file(kStanzas);
  EXPECT_EQ(sources_for(host, "trixie"),
            (std::vector<std::string>{"deb http://mirror.test/debian trixie main",
                                      "deb http://mirror.test/debian trixie-updates main",
                                      "deb http://mirror.test/security trixie-security main"}));
  EXPECT_EQ(sources_for(host, "sid").size(), 1u);
  EXPECT_THROW(sources_for({}, "sid"), Error);
}

TEST(Suites, AreCodeNames) {
  EXPECT_TRUE(is_suite_name("trixie"));
  EXPECT_FALSE(is_suite_name("../x"));
  EXPECT_FALSE(is_suite_name(""));
}

TEST(StaticElf, BrokenFilesAreNone) {
  EXPECT_FALSE(is_static_elf(""));
  EXPECT_FALSE(is_static_elf("#!/bin/sh\n"));
  EXPECT_FALSE(is_static_elf(std::string("\x7f"
                                         "ELF\x02",
                                         5) +
                             std::string(100, '\xff')));
}

class Text : public ByteSink {
 public:
  void write(std::string_view bytes) override { text += bytes; }
  std::string text;
};

TEST(BusyboxTree, IsATarOfWholeBlocks) {
  Text tar;
  write_busybox_tree(tar, "program", {"ls", "sh"});
  EXPECT_EQ(tar.text.size() % 512, 0u);
  EXPECT_NE(tar.text.find("bin/ls"), std::string::npos);
}

}  // namespace
}  // namespace berth::cli

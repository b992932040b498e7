#include <gtest/gtest.h>

#include "base/core/error.h"
#include "cli/copy/paths.h"

namespace berth::cli::copy {
namespace {

std::string planned(const Source& source, const Destination& destination) {
  try {
    const Plan plan = plan_copy(source, destination);
    return plan.folder + "|" + plan.old_base + "|" + plan.new_base;
  } catch (const Error& error) {
    return error.text();
  }
}

TEST(CopyOperand, AColonNamesAContainerUnlessThePathIsObviouslyLocal) {
  EXPECT_EQ(parse_operand("web:/etc").container, "web");
  EXPECT_EQ(parse_operand("web:/etc").path, "/etc");
  EXPECT_EQ(parse_operand("web:").path, "");
  for (const char* local : {"file", "/a:b", "./a:b", "../a:b", "-"}) {
    EXPECT_EQ(parse_operand(local).container, "") << local;
    EXPECT_EQ(parse_operand(local).path, local);
  }
}

TEST(CopyPaths, EndsSayWhatIsMeant) {
  EXPECT_EQ(clean_keeping_end("/a//b/../c/.", "/a//b/../c/."), "/a/c/.");
  EXPECT_EQ(clean_keeping_end("/a/", "/a/"), "/a/");
  EXPECT_EQ(clean_keeping_end("/", "/"), "/");
  EXPECT_EQ(split_entry("/x/d"), (std::pair<std::string, std::string>{"/x", "d"}));
  EXPECT_EQ(split_entry("/x/d/"), (std::pair<std::string, std::string>{"/x", "d"}));
  EXPECT_EQ(split_entry("/x/d/."), (std::pair<std::string, std::string>{"/x/d", "."}));
  EXPECT_EQ(split_entry("d"), (std::pair<std::string, std::string>{".", "d"}));
}

TEST(CopyPlan, DockersTable) {
  const Source file{.path = "/s/f"}, folder{.path = "/s/d", .is_folder = true},
      content{.path = "/s/d/.", .is_folder = true};
  const Destination to_folder{.path = "/t", .exists = true, .is_folder = true}, to_file{.path = "/t/g", .exists = true},
      nothing{.path = "/t/new"}, asserted{.path = "/t/new/"};
  EXPECT_EQ(planned(file, to_folder), "/t||");
  EXPECT_EQ(planned(folder, to_folder), "/t||");
  EXPECT_EQ(planned(content, to_folder), "/t||");
  EXPECT_EQ(planned(file, to_file), "/t|f|g");
  EXPECT_EQ(planned(folder, to_file), "cannot copy directory");
  EXPECT_EQ(planned(file, nothing), "/t|f|new");
  EXPECT_EQ(planned(folder, nothing), "/t|d|new");
  EXPECT_EQ(planned(content, nothing), "/t|.|new");
  EXPECT_EQ(planned(file, asserted), "no such directory");
  EXPECT_EQ(planned(folder, asserted), "/t|d|new");
}

TEST(CopyPlan, NamesAreRenamedAtTheirBeginning) {
  const Plan plan{"/t", "d", "new"};
  EXPECT_EQ(renamed("d/", plan), "new/");
  EXPECT_EQ(renamed("d/d/d", plan), "new/d/d");
  EXPECT_EQ(renamed("./x", Plan{"/t", ".", "new"}), "new/x");
  EXPECT_EQ(renamed("/etc/x", Plan{"/t", "/", "new"}), "new/etc/x");
  EXPECT_EQ(renamed("same", Plan{"/t", "", ""}), "same");
}

TEST(CopySource, AFollowedLinkKeepsTheNameItWasAskedBy) {
  EXPECT_EQ(follow_source("/l", "/real/f"), (std::pair<std::string, std::string>{"/real/f", "l"}));
  EXPECT_EQ(follow_source("/l/.", "/real"), (std::pair<std::string, std::string>{"/real/.", ""}));
  EXPECT_EQ(follow_source("/l/", "/real/l"), (std::pair<std::string, std::string>{"/real/l/", ""}));
}

}  // namespace
}  // namespace berth::cli::copy

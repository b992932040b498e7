#include "engine/process_list.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::engine {
namespace {

using Lines = std::vector<std::vector<std::string>>;

std::string refusal(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::system);
    return error.text();
  }
  return "";
}

TEST(PsArguments, NoOtherColumnMayBeCalledPid) {
  for (const char* good :
       {"-ef", "aux", "-o pid,cmd", "-eo pid=foo,cmd", "-o pid=PID", "-o pid= PID", "x=PID", "-o a=b"}) {
    EXPECT_EQ(refusal([&] { check_ps_arguments(good); }), "") << good;
  }
  EXPECT_EQ(refusal([] { check_ps_arguments("-o x=PID"); }), "specifying \"x=PID\" is not allowed");
  EXPECT_EQ(refusal([] { check_ps_arguments("-eo pid=PID -o comm= PIDX y"); }),
            "specifying \"comm=PIDX\" is not allowed");
}

TEST(PsOutput, TakesTheContainersLines) {
  const ProcessList list = parse_ps_output("  PID CMD\n    1 init\n   20 sh -c a  b\n  300 sleep\n", {20, 300});
  EXPECT_EQ(list.titles, (std::vector<std::string>{"PID", "CMD"}));
  EXPECT_EQ(list.processes, (Lines{{"20", "sh -c a b"}, {"300", "sleep"}}));
}

TEST(PsOutput, ThreadsFollowTheirProcess) {
  const ProcessList list = parse_ps_output("PID STAT\n7 -\n- Ss\n8 -\n- S\n- R\n", {8});
  EXPECT_EQ(list.processes, (Lines{{"8", "-"}, {"-", "S"}, {"-", "R"}}));
}

TEST(PsOutput, NeedsThePidColumn) {
  EXPECT_EQ(refusal([] { (void)parse_ps_output("CMD\nsleep\n", {1}); }), "Couldn't find PID field in ps output");
  EXPECT_EQ(refusal([] { (void)parse_ps_output("", {1}); }), "Couldn't find PID field in ps output");
  EXPECT_EQ(refusal([] { (void)parse_ps_output("PID\nx\n", {1}); }),
            "Unexpected pid 'x': strconv.Atoi: parsing \"x\": invalid syntax");
}

TEST(PsOutput, ShortLinesAreLeftOut) { EXPECT_TRUE(parse_ps_output("UID PID\nroot\n\n", {1}).processes.empty()); }

}  // namespace
}  // namespace berth::engine

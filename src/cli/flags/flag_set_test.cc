#include "cli/flags/flag_set.h"

#include <gtest/gtest.h>

namespace berth::cli {
namespace {

struct Values {
  bool interactive = false, tty = false, proxy = true;
  std::string name;
  std::vector<std::string> publish;
  std::int64_t count = 0, memory = 0;
};

class Flags : public testing::Test {
 protected:
  Flags() {
    flags.boolean(values.interactive, "interactive", 'i', "");
    flags.boolean(values.tty, "tty", 't', "");
    flags.boolean(values.proxy, "sig-proxy", 0, "");
    flags.text(values.name, "name", 'n', "Name it");
    flags.list(values.publish, "publish", 'p', "");
    flags.number(values.count, "count", 'c', "");
    flags.bytes(values.memory, "memory", 'm', "");
  }
  std::vector<std::string> parse(std::vector<std::string> words, AfterPositional mode = AfterPositional::keep_parsing) {
    return flags.parse(words, mode);
  }
  std::string error_of(std::vector<std::string> words) {
    try {
      flags.parse(words, AfterPositional::keep_parsing);
    } catch (const Error& error) {
      return error.text();
    }
    return "";
  }
  Values values;
  FlagSet flags;
};

TEST_F(Flags, BundleOfShortFlagsSetsEach) {
  parse({"-it"});
  EXPECT_TRUE(values.interactive && values.tty);
}

TEST_F(Flags, ShortValueMayStickToItsFlag) {
  parse({"-p8080:80", "-p=90:9", "-ip", "1:1"});
  EXPECT_EQ(values.publish, (std::vector<std::string>{"8080:80", "90:9", "1:1"}));
  EXPECT_TRUE(values.interactive);
}

TEST_F(Flags, LongValueWithEqualsOrSpace) {
  parse({"--name=a=b", "--count", "-3", "--sig-proxy=false"});
  EXPECT_EQ(values.name, "a=b");
  EXPECT_EQ(values.count, -3);
  EXPECT_FALSE(values.proxy);
}

TEST_F(Flags, FirstArgumentEndsTheFlagsOfRun) {
  EXPECT_EQ(parse({"-t", "img", "ls", "-i"}, AfterPositional::stop), (std::vector<std::string>{"img", "ls", "-i"}));
  EXPECT_FALSE(values.interactive);
}

TEST_F(Flags, FlagsMayFollowArgumentsElsewhere) {
  EXPECT_EQ(parse({"a", "-t", "b"}), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(values.tty);
}

TEST_F(Flags, TwoDashesEndTheFlags) {
  EXPECT_EQ(parse({"--", "-t", "--name"}), (std::vector<std::string>{"-t", "--name"}));
}

TEST_F(Flags, OneDashIsAnArgument) { EXPECT_EQ(parse({"-"}), (std::vector<std::string>{"-"})); }

TEST_F(Flags, MistakesHavePflagsWords) {
  EXPECT_EQ(error_of({"--nope"}), "unknown flag: --nope");
  EXPECT_EQ(error_of({"-iZt"}), "unknown shorthand flag: 'Z' in -Zt");
  EXPECT_EQ(error_of({"--name"}), "flag needs an argument: --name");
  EXPECT_EQ(error_of({"-p"}), "flag needs an argument: 'p' in -p");
  EXPECT_EQ(error_of({"-c", "x"}),
            "invalid argument \"x\" for \"-c, --count\" flag: strconv.ParseInt: parsing \"x\": invalid syntax");
  EXPECT_EQ(error_of({"-m", "1x"}), "invalid argument \"1x\" for \"-m, --memory\" flag: invalid suffix: 'x'");
}

TEST_F(Flags, HelpIsAskedForByEitherForm) {
  parse({"-h"});
  EXPECT_TRUE(flags.help_wanted());
}

TEST_F(Flags, UsageAlignsDescriptions) {
  FlagSet few;
  few.boolean(values.tty, "tty", 't', "A terminal");
  few.text(values.name, "name", 0, "A name");
  EXPECT_EQ(few.usage(80), "      --name string   A name\n  -t, --tty           A terminal\n");
}

}  // namespace
}  // namespace berth::cli

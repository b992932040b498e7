#include "runtime/criu/rpc.h"

#include <gtest/gtest.h>

#include "base/core/error.h"

namespace berth::runtime::criu {
namespace {

using namespace std::string_literals;

TEST(CriuRpc, ANotificationIsAnsweredInThreeBytesOrSo) {
  EXPECT_EQ(notify_answer(true), "\x08\x06\x18\x01");
  EXPECT_EQ(notify_answer(false), "\x08\x06\x18\x00"s);
}

TEST(CriuRpc, ADumpNamesProcessAndFolders) {
  const std::string request = dump_request({.images_dir = 5, .work_dir = 300, .log_file = "l", .pid = 7});
  EXPECT_TRUE(request.starts_with("\x08\x01\x12"));  // type DUMP, then the options with their length
  EXPECT_EQ(static_cast<std::size_t>(request[3]), request.size() - 4);
  EXPECT_NE(request.find("\x08\x05\x88\x01\xac\x02\x52\x01l"), std::string::npos) << "fields 1, 17 and 10";
  EXPECT_TRUE(request.ends_with("\x10\x07")) << "the pid; leave_running is not said";
}

TEST(CriuRpc, ARestoreNamesWhatIsInherited) {
  const std::string request = restore_request({.images_dir = 1,
                                               .work_dir = 2,
                                               .log_file = "l",
                                               .root = "/r",
                                               .external = {"mnt[/a]:/b"},
                                               .inherited = {{"pipe:[9]", 4}}});
  EXPECT_TRUE(request.starts_with("\x08\x02\x12"));
  EXPECT_NE(request.find("\xaa\x02\x0amnt[/a]:/b"), std::string::npos);
  EXPECT_NE(request.find("\xda\x01\x0c\x0a\x08pipe:[9]\x10\x04"), std::string::npos);
}

TEST(CriuRpc, ResponsesAreRead) {
  const Response notify = parse_response("\x08\x06\x10\x01\x2a\x0d\x0a\x09post-dump\x10\x2a");
  EXPECT_EQ(notify.type, Type::notify);
  EXPECT_EQ(notify.script, "post-dump");
  EXPECT_EQ(notify.pid, 42);
  const Response restored = parse_response("\x08\x02\x10\x01\x22\x02\x08\x2a");
  EXPECT_TRUE(restored.success);
  EXPECT_EQ(restored.pid, 42);
  const Response failed = parse_response("\x08\x01\x10\x00\x38\x03\x4a\x04oops\xaa\x01\x01x"s);
  EXPECT_FALSE(failed.success);
  EXPECT_EQ(failed.error_number, 3);
  EXPECT_EQ(failed.error, "oops");
}

TEST(CriuRpc, NonsenseIsRefused) {
  EXPECT_THROW(parse_response("\x2a\x7f"), Error);  // longer than there are bytes
  EXPECT_THROW(parse_response("\x0f"), Error);      // an unknown form
  EXPECT_THROW(parse_response("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Error);
  EXPECT_FALSE(parse_response("").success);  // the end of the conversation
}

}  // namespace
}  // namespace berth::runtime::criu

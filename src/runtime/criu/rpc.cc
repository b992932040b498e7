#include "runtime/criu/rpc.h"

#include <cstdint>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::runtime::criu {
namespace {

// Field numbers of rpc.proto.
enum RequestField : unsigned { kRequestType = 1, kRequestOptions = 2, kRequestNotifySuccess = 3 };
enum OptionField : unsigned {
  kImagesDirFd = 1,
  kPid = 2,
  kLeaveRunning = 3,
  kExternalUnixSockets = 4,
  kTcpEstablished = 5,
  kFileLocks = 8,
  kLogLevel = 9,
  kLogFile = 10,
  kNotifyScripts = 12,
  kRoot = 13,
  kWorkDirFd = 17,
  kRestoreSibling = 26,
  kInheritFd = 27,
  kManageCgroupsMode = 34,
  kExternal = 37,
  kOrphanPtsMaster = 50,
  kNetworkLock = 64,
};
constexpr std::uint64_t kIgnoreCgroups = 0, kLockByNftables = 2, kLogErrors = 1;

class Writer {
 public:
  Writer& number(unsigned field, std::uint64_t value) {
    varint(field << 3);
    varint(value);
    return *this;
  }
  Writer& flag(unsigned field, bool value) { return value ? number(field, 1) : *this; }
  Writer& bytes(unsigned field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    out_.append(value);
    return *this;
  }
  std::string take() { return std::move(out_); }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

struct Field {
  unsigned number = 0;
  std::uint64_t value = 0;
  std::string_view bytes;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    field = {.number = static_cast<unsigned>(tag >> 3)};
    switch (tag & 7) {
      case 0: field.value = varint(); return true;
      case 1: (void)take(8); return true;
      case 2: field.bytes = take(varint()); return true;
      case 5: (void)take(4); return true;
      default: throw invalid("CRIU sent a message of an unknown form");
    }
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw invalid("CRIU sent a number that is too long");
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) throw invalid("CRIU sent a message that is cut off");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
};

/// What both directions need alike.
Writer common(const Options& options) {
  Writer out;
  out.number(kImagesDirFd, static_cast<unsigned>(options.images_dir))
      .number(kWorkDirFd, static_cast<unsigned>(options.work_dir))
      .bytes(kLogFile, options.log_file)
      .number(kLogLevel, kLogErrors)
      .flag(kNotifyScripts, true)
      // Tasks stay in the groups in which CRIU runs: the shim's own business.
      .number(kManageCgroupsMode, kIgnoreCgroups)
      .flag(kExternalUnixSockets, true)
      .flag(kTcpEstablished, true)
      .number(kNetworkLock, kLockByNftables)  // otherwise CRIU would need the iptables program
      .flag(kFileLocks, true)
      .flag(kOrphanPtsMaster, options.terminal);
  for (const std::string& external : options.external) out.bytes(kExternal, external);
  return out;
}

std::string request(Type type, Writer options) {
  return Writer{}.number(kRequestType, static_cast<unsigned>(type)).bytes(kRequestOptions, options.take()).take();
}

/// restore and notify carry the pid under different numbers.
void read_inner(std::string_view bytes, unsigned pid_field, unsigned script_field, Response& out) {
  Reader reader{bytes};
  for (Field field; reader.next(field);) {
    if (field.number == pid_field) out.pid = static_cast<pid_t>(field.value);
    if (field.number == script_field) out.script = field.bytes;
  }
}

}  // namespace

std::string dump_request(const Options& options) {
  Writer out = common(options);
  out.number(kPid, static_cast<unsigned>(options.pid)).flag(kLeaveRunning, options.leave_running);
  return request(Type::dump, std::move(out));
}

std::string restore_request(const Options& options) {
  Writer out = common(options);
  // The restored process becomes a child of CRIU's parent, the shim.
  out.bytes(kRoot, options.root).flag(kRestoreSibling, true);
  for (const InheritedFd& fd : options.inherited) {
    out.bytes(kInheritFd, Writer{}.bytes(1, fd.key).number(2, static_cast<unsigned>(fd.number)).take());
  }
  return request(Type::restore, std::move(out));
}

std::string notify_answer(bool success) {
  return Writer{}
      .number(kRequestType, static_cast<unsigned>(Type::notify))
      .number(kRequestNotifySuccess, success ? 1 : 0)
      .take();
}

Response parse_response(std::string_view bytes) {
  constexpr unsigned kType = 1, kSuccess = 2, kRestore = 4, kNotify = 5, kErrorNumber = 7, kErrorText = 9;
  Response out;
  Reader reader{bytes};
  for (Field field; reader.next(field);) {
    switch (field.number) {
      case kType: out.type = static_cast<Type>(field.value); break;
      case kSuccess: out.success = field.value != 0; break;
      case kRestore: read_inner(field.bytes, 1, 0, out); break;
      case kNotify: read_inner(field.bytes, 2, 1, out); break;
      case kErrorNumber: out.error_number = static_cast<int>(field.value); break;
      case kErrorText: out.error = trim(field.bytes); break;
      default: break;
    }
  }
  return out;
}

}  // namespace berth::runtime::criu

#pragma once

#include <cerrno>
#include <utility>

/// The kernel's objects with owners. Raw system calls live in this room; everything they open is CLOEXEC,
/// they retry EINTR, and they throw berth::Error with the call, the object and the errno.
namespace berth::sys {

class FdRef;

/// Owns a descriptor and closes it.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

/// Borrows a descriptor for a call. Cannot be made from a temporary owner, so a signature tells who closes.
class FdRef {
 public:
  FdRef(const UniqueFd& owner) : fd_(owner.get()) {}  // NOLINT(google-explicit-constructor): that is its use
  FdRef(UniqueFd&&) = delete;
  static FdRef borrow(int fd) { return FdRef{fd}; }
  static FdRef cwd();  ///< AT_FDCWD
  int get() const { return fd_; }

 private:
  explicit FdRef(int fd) : fd_(fd) {}
  int fd_;
};

/// One more descriptor for the same open file.
UniqueFd duplicate(FdRef fd);

template <class Call>
auto retry_on_eintr(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

}  // namespace berth::sys

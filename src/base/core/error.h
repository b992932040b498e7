#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace berth {

/// What went wrong, for whoever has to answer for it. The API turns kinds into HTTP statuses
/// (api/server/errors.h); nobody else should care about numbers.
enum class ErrorKind {
  invalid,          ///< the caller's input makes no sense (400)
  unauthorized,     ///< 401
  forbidden,        ///< 403
  not_found,        ///< the named object does not exist (404)
  conflict,         ///< the object's state forbids it (409)
  not_modified,     ///< already so; not a failure for most callers (304)
  unavailable,      ///< try again later (503)
  not_implemented,  ///< Berth does not do this yet (501)
  system,           ///< the kernel, the disk or Berth itself failed (500)
  cancelled,        ///< somebody gave up waiting (500)
};

/// The one exception type of Berth. `text()` is what users see; texts that clients match on are part of the
/// API.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string text, int error_number = 0)
      : kind_(kind), error_number_(error_number), text_(std::move(text)) {}

  ErrorKind kind() const { return kind_; }
  int error_number() const { return error_number_; }  ///< errno of the failed call, or 0
  const std::string& text() const { return text_; }
  const char* what() const noexcept override { return text_.c_str(); }

  /// Puts one line of context in front: "creating container 4f2a: openat memory.max: no such file or
  /// directory".
  void during(std::string_view context);

 private:
  ErrorKind kind_;
  int error_number_;
  std::string text_;
};

/// An error of kind system for a failed call: "openat /x/y: permission denied". Reads errno first of all.
Error errno_error(std::string_view call, std::string_view object);
/// The same for an error number that somebody else read.
Error errno_error(int error_number, std::string_view call, std::string_view object);

inline Error invalid(std::string text) { return {ErrorKind::invalid, std::move(text)}; }
inline Error not_found(std::string text) { return {ErrorKind::not_found, std::move(text)}; }
inline Error conflict(std::string text) { return {ErrorKind::conflict, std::move(text)}; }
inline Error not_implemented(std::string text) { return {ErrorKind::not_implemented, std::move(text)}; }
inline Error system_error(std::string text) { return {ErrorKind::system, std::move(text)}; }

}  // namespace berth

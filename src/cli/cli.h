#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags/flag_set.h"
#include "cli/http/api.h"

/// The command line client: everything it knows of containers it asks the daemon's API.
namespace berth::cli {

struct GlobalOptions {
  std::vector<std::string> hosts;
  std::string context, config_folder, log_level = "info";
  bool debug = false, tls = false, tls_verify = false;
  std::string tls_ca, tls_certificate, tls_key;
};

/// What a command works with: the daemon, and the two output streams.
class Cli {
 public:
  explicit Cli(GlobalOptions options) : options_(std::move(options)) {}

  Api& api();  ///< connects when the first request is sent
  const GlobalOptions& options() const { return options_; }

  static void out(std::string_view text);
  static void err(std::string_view text);
  static void out_line(std::string_view text);
  static void err_line(std::string_view text);
  /// Asks on standard output and reads the answer from standard input; true for y or Y.
  static bool confirm(std::string_view question);

 private:
  GlobalOptions options_;
  std::unique_ptr<Api> api_;
};

using Arguments = std::vector<std::string>;
/// What a command does once its flags are read; returns the exit code. A thrown Error is printed, code 1.
using Action = std::function<int(Cli&, const Arguments&)>;

inline constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

struct Command {
  std::string_view spellings;  ///< all full names, the canonical one first: "container ls,container list,ps"
  std::string_view usage;      ///< behind the name: "[OPTIONS] CONTAINER [CONTAINER...]"
  std::string_view summary;
  std::size_t least = 0, most = 0;  ///< how many arguments
  AfterPositional after = AfterPositional::keep_parsing;
  Action (*prepare)(FlagSet& flags) = nullptr;  ///< declares the flags; null: not there yet
};

/// Every command, in groups by the file that defines them.
std::vector<std::span<const Command>> all_commands();

/// Reads a whole command line (without the program's name), runs it and returns the exit code.
int run_command_line(const std::vector<std::string>& words);

/// Runs `each` on every argument; errors are printed as they come and make the exit code 1, the rest goes on.
int for_each_argument(Cli& cli, const Arguments& arguments, const std::function<void(const std::string&)>& each);

}  // namespace berth::cli

#include "cli/commands/attached.h"

#include <unistd.h>

#include <cstdlib>

#include "base/core/text.h"
#include "base/json/json.h"
#include "cli/json_view.h"

namespace berth::cli {

namespace {

constexpr int kPatience = 3;  ///< interrupts after which the client gives up on an answer from the container

Request attach_request(const std::string& id, const AttachWishes& wishes) {
  const Query query = Query{}
                          .add("stream", "1")
                          .add_if(wishes.input, "stdin")
                          .add_if(wishes.output, "stdout")
                          .add_if(wishes.error, "stderr")
                          .add_if(!wishes.detach_keys.empty(), "detachKeys", wishes.detach_keys);
  return {.method = "POST", .path = cat("/containers/", escape_url(id), "/attach", query.text()), .upgrade = true};
}

Request wait_request(const std::string& id, std::string_view condition) {
  return {.method = "POST",
          .path = cat("/containers/", escape_url(id), "/wait", Query{}.add("condition", condition).text())};
}

}  // namespace

Attached::Attached(Cli& cli, std::string id, AttachWishes wishes)
    : cli_(cli), id_(std::move(id)), wishes_(std::move(wishes)) {
  if (wishes_.tty && !wishes_.detach_keys.empty()) parse_detach_keys(wishes_.detach_keys);
  const Request request = attach_request(id_, wishes_);
  reply_ = cli_.api().send(request);
  cli_.api().receive_head(reply_, request);
}

void Attached::forward_signals() {
  const bool forward = wishes_.sig_proxy && !wishes_.tty;
  if (!forward && !wishes_.tty) return;
  signals_ =
      std::make_unique<SignalWatch>(forward ? SignalWatch::Which::all_forwardable : SignalWatch::Which::resize_only);
}

void Attached::resize() {
  const auto size = terminal_size(STDOUT_FILENO);
  if (!size || size->rows == 0) return;
  try {
    const Query query = Query{}.add("h", cat(size->rows)).add("w", cat(size->columns));
    cli_.api().post(cat("/containers/", escape_url(id_), "/resize", query.text()));
  } catch (const Error&) {  // it has ended meanwhile
  }
}

void Attached::handle_signal(int number) {
  if (number == SIGWINCH && wishes_.tty) return resize();
  if ((number == SIGINT || number == SIGTERM) && ++interrupts_ > kPatience) {
    throw system_error("the container does not end: giving up on it");
  }
  try {
    cli_.api().post(cat("/containers/", escape_url(id_), "/kill", Query{}.add("signal", signal_name(number)).text()));
  } catch (const Error&) {  // it has ended meanwhile
  }
}

PumpEnd Attached::run() {
  std::optional<RawTerminal> raw;
  if (wishes_.tty && wishes_.input && is_terminal(STDIN_FILENO)) raw.emplace(STDIN_FILENO);
  return pump(reply_, {.tty = wishes_.tty,
                       .input = wishes_.input,
                       .detach_keys = wishes_.detach_keys,
                       .signals = signals_.get(),
                       .on_signal = [this](int number) { handle_signal(number); }});
}

PendingWait::PendingWait(Cli& cli, const std::string& id, std::string_view condition) {
  const Request request = wait_request(id, condition);
  reply_ = cli.api().send(request);
  cli.api().receive_head(reply_, request);  // comes at once: from here on no exit is missed
}

int PendingWait::exit_code() {
  const std::string body = reply_.read_all();
  if (trim(body).empty()) return 125;
  const Json result = json::parse(body);
  if (const std::string message = text_at(at(result, "Error"), "Message"); !message.empty()) {
    Cli::err_line(cat("Error waiting for container: ", message));
    return 125;
  }
  return static_cast<int>(number_at(result, "StatusCode", 125));
}

void PendingWait::until_done() { reply_.read_all(); }

void check_terminal(bool input, bool tty) {
  if (input && tty && !is_terminal(STDIN_FILENO)) throw invalid("the input device is not a TTY");
}

int start_failure_code(const std::string& message) {
  const auto has = [&](std::string_view words) { return message.find(words) != std::string::npos; };
  if (has("executable file not found") || has("no such file or directory") ||
      has("system cannot find the file specified")) {
    return 127;
  }
  if (has("permission denied") || has("is a directory")) return 126;
  return 125;
}

}  // namespace berth::cli

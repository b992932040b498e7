#include "runtime/shim/restoring.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/sys/socket.h"
#include "runtime/criu/dump.h"

namespace berth::runtime::shim {

Restoring::Restoring(Loop& loop, StreamMemory& memory, std::string log_path, Handlers handlers)
    : loop_(loop),
      log_path_(std::move(log_path)),
      handlers_(std::move(handlers)),
      process_(loop, memory, nullptr, {},
               {.started = [] {},  // CRIU, that is
                .failed =
                    [this](const init::Failure& failure) {
                      close();
                      handlers_.failed(failure);
                    }}) {}

Restoring::~Restoring() { close(); }

sys::UniqueFd Restoring::make_socket() {
  auto [ours, theirs] = sys::socket_pair(SOCK_SEQPACKET);
  socket_ = std::move(ours);
  sys::set_nonblocking(socket_);
  loop_.add(socket_, EPOLLIN, *this);
  return std::move(theirs);
}

void Restoring::send(const std::string& request) { sys::send_message(socket_, request); }

void Restoring::close() {
  if (!socket_) return;
  loop_.remove(socket_);
  socket_.reset();
}

void Restoring::ready(std::uint32_t) { (void)take_message(); }

void Restoring::ended() {
  process_.settle();
  while (socket_ && take_message()) {
  }
  if (socket_) fail(0, "");
}

bool Restoring::take_message() {
  try {
    std::optional<sys::Message> message = sys::receive_message(socket_);
    if (!message) return false;
    const criu::Response response = criu::parse_response(message->bytes);
    if (response.type == criu::Type::notify) {
      notified(response, message->fds);
      sys::send_message(socket_, criu::notify_answer(true));
    } else {
      answered(response);  // also the end of the conversation without an answer
    }
  } catch (const Error& error) {
    fail(error.error_number(), error.text());
  }
  return true;
}

void Restoring::notified(const criu::Response& response, std::vector<sys::UniqueFd>& fds) {
  if (response.pid > 0) handlers_.made(response.pid);
  if (response.script == "post-restore") handlers_.resuming();
  if (response.script == "orphan-pts-master" && !fds.empty()) handlers_.terminal(std::move(fds.front()));
}

void Restoring::answered(const criu::Response& response) {
  if (!response.success) return fail(response.error_number, response.error);
  close();
  handlers_.made(response.pid);
  handlers_.done();
}

void Restoring::fail(int error_number, const std::string& why) {
  close();
  std::string reason = criu::errors_in_log_file(log_path_);
  if (reason.empty()) reason = why;
  handlers_.failed({Stage::restore, error_number, criu::failure("RESTORE", error_number, reason).text()});
}

}  // namespace berth::runtime::shim

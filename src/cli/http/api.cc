#include "cli/http/api.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/core/text.h"
#include "base/json/json.h"

namespace berth::cli {

namespace {

constexpr std::size_t kUploadPiece = 256 << 10;

ErrorKind kind_of(int status) {
  switch (status) {
    case 400: return ErrorKind::invalid;
    case 401: return ErrorKind::unauthorized;
    case 403: return ErrorKind::forbidden;
    case 404: return ErrorKind::not_found;
    case 409: return ErrorKind::conflict;
    case 501: return ErrorKind::not_implemented;
    case 503: return ErrorKind::unavailable;
    default: return ErrorKind::system;
  }
}

Error daemon_error(Reply& reply) {
  const std::string body = reply.read_all();
  std::string message{trim(body)};
  if (reply.header("content-type").find("json") != std::string_view::npos) {
    try {
      const boost::json::value parsed = json::parse(body);
      if (const auto* text = parsed.as_object().if_contains("message")) message = std::string{text->as_string()};
    } catch (const std::exception&) {  // then the text as it came says more than nothing
    }
  }
  message = trim(std::string{message});
  if (message.empty()) message = cat("request returned ", reply.status, " ", reply.reason);
  return {kind_of(reply.status), cat("Error response from daemon: ", message)};
}

std::string head_of(const Request& request) {
  std::string head = cat(request.method, " ", request.path, " HTTP/1.1\r\nHost: docker\r\nUser-Agent: Berth-Client/",
                         BERTH_VERSION, "\r\n");
  if (request.upgrade) head += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
  for (const auto& [name, value] : request.headers) head += cat(name, ": ", value, "\r\n");
  if (request.json) {
    head += cat("Content-Type: application/json\r\nContent-Length: ", request.json->size(), "\r\n");
  } else if (request.upload != nullptr) {
    head += "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n";
  } else if (request.method != "GET" && request.method != "HEAD") {
    head += "Content-Length: 0\r\n";
  }
  head += "\r\n";
  if (request.json) head += *request.json;
  return head;
}

/// Sends the body in chunks. A daemon that has refused already (and answered) ends it early.
void upload(Connection& connection, ByteSource& source) {
  std::string piece(kUploadPiece, '\0');
  constexpr char kDigits[] = "0123456789abcdef";
  const auto hex = [&](std::size_t number) {
    std::string digits;
    for (; number > 0; number >>= 4) digits.insert(digits.begin(), kDigits[number & 15]);
    return digits;
  };
  while (const std::size_t got = source.read(piece.data(), piece.size())) {
    try {
      connection.write(cat(hex(got), "\r\n"));
      connection.write(std::string_view{piece.data(), got});
      connection.write("\r\n");
    } catch (const Error& error) {
      if (error.error_number() == EPIPE || error.error_number() == ECONNRESET) return;  // its answer says why
      throw;
    }
  }
  connection.write("0\r\n\r\n");
}

/// A kept connection that the daemon has closed meanwhile is readable (end of file).
bool still_open(const Connection& connection) {
  pollfd watched{.fd = connection.fd().get(), .events = POLLIN, .revents = 0};
  return ::poll(&watched, 1, 0) == 0;
}

}  // namespace

std::string escape_path(std::string_view text) { return escape_url(text, "/:@"); }

Query& Query::add(std::string_view name, std::string_view value) {
  text_ += cat(text_.empty() ? '?' : '&', name, "=", escape_url(value));
  return *this;
}

Query& Query::add_if(bool condition, std::string_view name, std::string_view value) {
  return condition ? add(name, value) : *this;
}

std::unique_ptr<Connection> Api::take_connection(bool& reused) {
  reused = idle_ != nullptr && still_open(*idle_);
  if (reused) return std::move(idle_);
  idle_.reset();
  return connect(endpoint_);
}

Reply Api::send(const Request& request) {
  bool reused = false;
  Reply reply{take_connection(reused)};
  reply.connection().write(head_of(request));
  if (request.upload != nullptr) upload(reply.connection(), *request.upload);
  return reply;
}

void Api::receive_head(Reply& reply, const Request& request) {
  reply.receive_head(request.method == "HEAD");
  if (reply.status >= 400) throw daemon_error(reply);
}

Reply Api::open(const Request& request) {
  Reply reply = send(request);
  receive_head(reply, request);
  return reply;
}

std::string Api::text(const Request& request) {
  Reply reply = send(request);
  const auto keep = [&] {
    if (auto idle = reply.release_idle()) idle_ = std::move(idle);
  };
  try {
    receive_head(reply, request);
  } catch (const Error&) {
    keep();
    throw;
  }
  std::string body = reply.read_all();
  keep();
  return body;
}

boost::json::value Api::call(const Request& request) {
  const std::string body = text(request);
  const std::string_view first = trim(body).substr(0, 1);
  if (first != "{" && first != "[") return nullptr;
  return json::parse(body);
}

}  // namespace berth::cli

#include "base/http/head_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::http {

namespace beast_http = boost::beast::http;
using boost::beast::error_code;

namespace {

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct HeadParser::Impl final : beast_http::basic_parser<true> {
  Head head;
  std::string target;
  bool has_host = false, other_encoding = false;

  void on_request_impl(beast_http::verb, boost::beast::string_view method, boost::beast::string_view full_target,
                       int version, error_code&) override {
    head.request.method = view(method);
    target = view(full_target);
    head.minor_version = version % 10;
  }
  void on_response_impl(int, boost::beast::string_view, int, error_code&) override {}
  void on_field_impl(beast_http::field name, boost::beast::string_view name_text, boost::beast::string_view value,
                     error_code&) override {
    if (name == beast_http::field::host) has_host = true;
    if (name == beast_http::field::upgrade) head.upgrade = true;
    if (name == beast_http::field::transfer_encoding && !iequals(view(value), "chunked")) other_encoding = true;
    if (name == beast_http::field::expect) {
      if (iequals(view(value), "100-continue")) {
        head.expects_continue = true;
      } else {
        head.refused_status = 417;
      }
    }
    head.request.headers.push_back({std::string{view(name_text)}, std::string{view(value)}});
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(boost::beast::string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

  /// Origin form, or the absolute form that proxies send; the path decoded, the query left alone.
  void split_target() {
    std::string_view rest = target;
    if (rest.starts_with("http://") || rest.starts_with("https://")) {
      rest.remove_prefix(rest.find("//") + 2);
      rest.remove_prefix(std::min(rest.find_first_of("/?"), rest.size()));
    }
    const std::size_t mark = std::min(rest.find('?'), rest.size());
    head.request.query_text = rest.substr(std::min(mark + 1, rest.size()));
    try {
      head.request.path = percent_decode(rest.substr(0, mark), false);
    } catch (const Error&) {
      head.refused_status = 400;
    }
    if (head.request.path.empty()) head.request.path = "/";
    if (head.request.path.front() != '/') head.refused_status = 400;
  }
};

HeadParser::HeadParser(std::uint32_t limit_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->header_limit(limit_bytes);
  impl_->body_limit(boost::none);
  impl_->skip(true);  // framing of the body is read by Exchange, straight from the socket
}
HeadParser::~HeadParser() = default;

HeadParser::Step HeadParser::feed(std::string_view bytes) {
  error_code code;
  const std::size_t consumed = impl_->put(boost::asio::const_buffer{bytes.data(), bytes.size()}, code);
  if (code == beast_http::error::need_more) return {HeadStatus::more, consumed};
  if (code == beast_http::error::header_limit) return {HeadStatus::too_large, consumed};
  if (code) return {HeadStatus::malformed, consumed};
  return {impl_->is_header_done() ? HeadStatus::done : HeadStatus::more, consumed};
}

Head HeadParser::take() {
  Head& head = impl_->head;
  impl_->split_target();
  head.keep_alive = impl_->keep_alive();
  if (impl_->chunked()) {
    head.content_length = std::nullopt;
  } else {
    const boost::optional<std::uint64_t> length = impl_->content_length();
    head.content_length = length ? *length : 0;
  }
  // A body whose end we could not find must never be taken for the next request.
  if (impl_->other_encoding) head.refused_status = 501;
  if (head.minor_version >= 1 && !impl_->has_host) head.refused_status = 400;
  return std::move(head);
}

}  // namespace berth::http

#include "template/lexer.h"

#include <algorithm>

#include "base/core/error.h"
#include "base/core/text.h"

namespace berth::tmpl {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

bool is_space(char c) { return kSpace.find(c) != std::string_view::npos; }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      text();
      if (at_ < source_.size()) action();
    }
    add(Token::Kind::end, at_, at_);
    return std::move(tokens_);
  }

 private:
  void add(Token::Kind kind, std::size_t from, std::size_t to) {
    tokens_.push_back({kind, std::string{source_.substr(from, to - from)}, from});
  }
  [[noreturn]] void fail(std::size_t at, std::string_view what) const {
    throw invalid(syntax_error(source_, at, what));
  }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  void text() {
    const std::size_t open = std::min(source_.find("{{", at_), source_.size());
    std::string piece{source_.substr(at_, open - at_)};
    if (trim_next_) piece.erase(0, std::min(piece.find_first_not_of(kSpace), piece.size()));
    trim_next_ = false;
    if (source_.substr(open).starts_with("{{-") && open + 3 < source_.size() && is_space(source_[open + 3])) {
      piece.erase(piece.find_last_not_of(kSpace) + 1);
    }
    if (!piece.empty()) tokens_.push_back({Token::Kind::text, std::move(piece), at_});
    at_ = open;
  }

  bool at_close() const {
    const std::string_view rest = source_.substr(at_);
    return rest.starts_with("}}") || (!rest.empty() && is_space(rest.front()) && rest.substr(1).starts_with("-}}"));
  }

  void close() {
    trim_next_ = peek() != '}';
    at_ += trim_next_ ? 4 : 2;
  }

  void action() {
    const std::size_t open = at_;
    at_ += 2;
    if (peek() == '-' && is_space(peek(1))) at_ += 1;
    std::size_t inner = at_;
    while (inner < source_.size() && is_space(source_[inner])) ++inner;
    if (source_.substr(inner).starts_with("/*")) return comment(inner);
    add(Token::Kind::open, open, at_);
    while (!at_close()) {
      if (at_ >= source_.size()) fail(open, "unclosed action");
      inside();
    }
    add(Token::Kind::close, at_, at_ + 2);
    close();
  }

  void comment(std::size_t begin) {
    const std::size_t end = source_.find("*/", begin);
    if (end == std::string_view::npos) fail(begin, "unclosed comment");
    at_ = end + 2;
    if (!at_close()) fail(begin, "comment ends before closing delimiter");
    close();
  }

  void inside() {
    const std::size_t start = at_;
    const char c = peek();
    if (is_space(c)) {
      while (at_ < source_.size() && is_space(peek()) && !at_close()) ++at_;
      if (at_ > start) add(Token::Kind::space, start, at_);
    } else if (c == '"' || c == '`' || c == '\'') {
      string(c);
    } else if (c == ':' && peek(1) == '=') {
      one(Token::Kind::declare, 2);
    } else if (c == '=') {
      one(Token::Kind::assign, 1);
    } else if (c == '|') {
      one(Token::Kind::pipe, 1);
    } else if (c == ',') {
      one(Token::Kind::comma, 1);
    } else if (c == '(') {
      one(Token::Kind::left_paren, 1);
    } else if (c == ')') {
      one(Token::Kind::right_paren, 1);
    } else if (is_digit(c) || ((c == '-' || c == '+' || c == '.') && is_digit(peek(1)))) {
      ++at_;
      while (is_word(peek()) || peek() == '.') ++at_;
      add(Token::Kind::number, start, at_);
    } else if (c == '.' || c == '$') {
      ++at_;
      while (is_word(peek())) ++at_;
      add(c == '$' ? Token::Kind::variable : at_ == start + 1 ? Token::Kind::dot : Token::Kind::field, start, at_);
    } else if (is_word(c)) {
      while (is_word(peek())) ++at_;
      add(Token::Kind::word, start, at_);
    } else {
      fail(start, cat("unexpected ", quoted(std::string_view{&c, 1}), " in operand"));
    }
  }

  void one(Token::Kind kind, std::size_t size) {
    add(kind, at_, at_ + size);
    at_ += size;
  }

  void string(char quote) {
    const std::size_t start = at_++;
    while (peek() != quote) {
      if (at_ >= source_.size() || (peek() == '\n' && quote != '`')) {
        fail(start, quote == '`'   ? "unterminated raw quoted string"
                    : quote == '"' ? "unterminated quoted string"
                                   : "unterminated character constant");
      }
      if (peek() == '\\' && quote != '`') ++at_;
      ++at_;
    }
    ++at_;
    add(quote == '\'' ? Token::Kind::character : Token::Kind::string, start, at_);
  }

  std::string_view source_;
  std::size_t at_ = 0;
  bool trim_next_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

std::string syntax_error(std::string_view source, std::size_t at, std::string_view what) {
  const auto line = 1 + std::ranges::count(source.substr(0, at), '\n');
  return cat("template: :", line, ": ", what);
}

std::vector<Token> tokenize(std::string_view source) { return Lexer{source}.run(); }

}  // namespace berth::tmpl

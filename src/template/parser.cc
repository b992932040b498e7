#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/core/error.h"
#include "base/core/text.h"
#include "template/functions.h"
#include "template/lexer.h"
#include "template/syntax.h"

namespace berth::tmpl {

namespace {

using Kind = Token::Kind;

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

/// The content of a Go string literal with its quotes; nullopt for a bad escape.
std::optional<std::string> unquote(std::string_view literal) {
  const std::string_view body = literal.substr(1, literal.size() - 2);
  if (literal.front() == '`') return std::string{body};
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\') {
      out += body[i];
      continue;
    }
    if (++i >= body.size()) return std::nullopt;
    constexpr std::string_view kLetters = "abfnrtv\\\"'";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"'";
    if (const std::size_t known = kLetters.find(body[i]); known != std::string_view::npos) {
      out += kMeanings[known];
      continue;
    }
    const std::size_t digits = body[i] == 'x' ? 2 : body[i] == 'u' ? 4 : body[i] == 'U' ? 8 : 0;
    const auto code = digits == 0 ? std::nullopt : parse_number<std::uint32_t>(body.substr(i + 1, digits), 16);
    if (!code || i + digits >= body.size()) return std::nullopt;
    if (digits == 2)
      out += static_cast<char>(*code);
    else
      append_utf8(out, *code);
    i += digits;
  }
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view source) : source_(source), tokens_(tokenize(source)) {}

  std::vector<Node> run() {
    std::vector<Node> nodes;
    const std::string stop = block(nodes, {});
    if (!stop.empty()) fail(cat("unexpected {{", stop, "}}"));
    return nodes;
  }

 private:
  const Token& peek() const { return tokens_[at_]; }
  Token next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  void skip_space() {
    while (peek().kind == Kind::space) ++at_;
  }
  [[noreturn]] void fail(std::string_view what) const { throw invalid(syntax_error(source_, peek().at, what)); }
  [[noreturn]] void unexpected(std::string_view where) const {
    if (peek().kind == Kind::end) fail("unexpected EOF");
    fail(cat("unexpected ", quoted(peek().text), " in ", where));
  }

  /// Reads nodes until {{end}}, {{else…}} (returned without closing it) or the end of the source ("").
  std::string block(std::vector<Node>& nodes, std::string_view owner) {
    for (;;) {
      const Token token = next();
      if (token.kind == Kind::end) {
        if (!owner.empty()) fail("unexpected EOF");
        return "";
      }
      if (token.kind == Kind::text) {
        nodes.push_back({.kind = Node::Kind::text, .text = token.text});
        continue;
      }
      skip_space();
      const std::string word = peek().kind == Kind::word ? peek().text : "";
      if (word == "end" || word == "else") {
        next();
        skip_space();
        return word;
      }
      nodes.push_back(action(word));
    }
  }

  void expect_close(std::string_view where) {
    skip_space();
    if (peek().kind != Kind::close) unexpected(where);
    next();
  }

  Node action(const std::string& word) {
    if (word == "if") return control(Node::Kind::if_, word);
    if (word == "with") return control(Node::Kind::with, word);
    if (word == "range") return control(Node::Kind::range, word);
    if (word == "break" || word == "continue") {
      next();
      if (loops_ == 0) fail(cat("{{", word, "}} outside {{range}}"));
      expect_close(word);
      return {.kind = word == "break" ? Node::Kind::break_ : Node::Kind::continue_};
    }
    for (const std::string_view other : {"define", "template", "block"}) {
      if (word == other) fail(cat("{{", other, "}} is not supported"));
    }
    Node node{.kind = Node::Kind::action};
    const std::size_t scope = variables_.size();
    node.pipeline = pipeline("command", false);
    static_cast<void>(scope);  // a variable lives to the end of the block around its declaration
    expect_close("command");
    return node;
  }

  Node control(Node::Kind kind, const std::string& word) {
    next();
    skip_space();
    Node node{.kind = kind};
    const std::size_t scope = variables_.size();
    node.pipeline = pipeline(word, kind == Node::Kind::range);
    expect_close(word);
    if (kind == Node::Kind::range) ++loops_;
    const std::string stop = block(node.body, word);
    if (kind == Node::Kind::range) --loops_;
    if (stop == "else") {
      const std::string following = peek().kind == Kind::word ? peek().text : "";
      if (following == "if" || following == "with") {  // {{else if}}: a block of its own that shares our {{end}}
        node.otherwise.push_back(control(following == "if" ? Node::Kind::if_ : Node::Kind::with, following));
        variables_.resize(scope);
        return node;
      }
      expect_close("else");
      if (block(node.otherwise, word) != "end") fail("expected end; found {{else}}");
    }
    variables_.resize(scope);
    expect_close("end");
    return node;
  }

  void declarations(Pipeline& out, bool in_range) {
    const std::size_t start = at_;
    std::vector<std::string> names;
    while (peek().kind == Kind::variable) {
      names.push_back(next().text);
      skip_space();
      if (peek().kind == Kind::declare || peek().kind == Kind::assign) {
        out.assign = next().kind == Kind::assign;
        skip_space();
        out.variables = names;
        if (!out.assign) variables_.insert(variables_.end(), names.begin(), names.end());
        return;
      }
      if (!in_range || names.size() > 1 || peek().kind != Kind::comma) break;
      next();
      skip_space();
    }
    at_ = start;  // no declaration after all: the variable is an operand
  }

  Pipeline pipeline(std::string_view where, bool in_range) {
    Pipeline out;
    skip_space();
    declarations(out, in_range);
    for (;;) {
      out.commands.push_back(command(where));
      if (peek().kind != Kind::pipe) break;
      next();
      skip_space();
    }
    return out;
  }

  Command command(std::string_view where) {
    Command out;
    const std::size_t start = peek().at;
    for (;;) {
      skip_space();
      if (peek().kind == Kind::pipe || peek().kind == Kind::close || peek().kind == Kind::right_paren) break;
      out.operands.push_back(operand(where));
      if (peek().kind != Kind::space && peek().kind != Kind::pipe && peek().kind != Kind::close &&
          peek().kind != Kind::right_paren) {
        unexpected("operand");
      }
    }
    if (out.operands.empty()) fail(cat("missing value for ", where));
    out.source = trim(source_.substr(start, peek().at - start));
    return out;
  }

  Operand operand(std::string_view where) {
    Operand out;
    out.at = peek().at;
    const Token token = next();
    switch (token.kind) {
      case Kind::dot: break;
      case Kind::field: out.fields.push_back(token.text.substr(1)); break;
      case Kind::variable: variable(out, token); break;
      case Kind::word: word(out, token); break;
      case Kind::string: literal_string(out, token); break;
      case Kind::character: literal_character(out, token); break;
      case Kind::number: literal_number(out, token); break;
      case Kind::left_paren: {
        out.kind = Operand::Kind::pipeline;
        out.pipeline = std::make_unique<Pipeline>(pipeline("parenthesized pipeline", false));
        skip_space();
        if (peek().kind != Kind::right_paren) fail("unclosed left paren");
        next();
        break;
      }
      default: --at_; unexpected(where);
    }
    while (peek().kind == Kind::field) {
      out.at = peek().at;  // Go names the place of the last member but one read; text/template's chain position
      out.fields.push_back(next().text.substr(1));
    }
    out.source = source_.substr(token.at, peek().at - token.at);
    return out;
  }

  void variable(Operand& out, const Token& token) {
    out.kind = Operand::Kind::variable;
    out.name = token.text;
    if (token.text != "$" && std::ranges::find(variables_, token.text) == variables_.end()) {
      --at_;
      fail(cat("undefined variable ", quoted(token.text)));
    }
  }

  void word(Operand& out, const Token& token) {
    if (token.text == "true" || token.text == "false") {
      out.kind = Operand::Kind::literal;
      out.literal = Value{boost::json::value(token.text == "true")};
    } else if (token.text == "nil") {
      out.kind = Operand::Kind::nil;
    } else if (is_function(token.text)) {
      out.kind = Operand::Kind::function;
      out.name = token.text;
    } else {
      --at_;
      fail(cat("function ", quoted(token.text), " not defined"));
    }
  }

  void literal_string(Operand& out, const Token& token) {
    const auto text = unquote(token.text);
    if (!text) fail("invalid syntax");
    out.kind = Operand::Kind::literal;
    out.literal = Value{boost::json::value(boost::json::string{*text})};
  }

  void literal_character(Operand& out, const Token& token) {
    const auto text = unquote(token.text);
    if (!text || text->empty()) fail(cat("malformed character constant: ", token.text));
    std::uint32_t code = static_cast<unsigned char>(text->front());
    if (code >= 0xC0) {
      code &= code >= 0xF0 ? 0x07 : code >= 0xE0 ? 0x0F : 0x1F;
      for (std::size_t i = 1; i < text->size(); ++i) code = code << 6 | (static_cast<unsigned char>((*text)[i]) & 0x3F);
    }
    out.kind = Operand::Kind::literal;
    out.literal = Value{boost::json::value(std::int64_t{code})};
  }

  void literal_number(Operand& out, const Token& token) {
    std::string_view text = token.text;
    if (text.starts_with('+')) text.remove_prefix(1);
    out.kind = Operand::Kind::literal;
    if (text.starts_with("0x")) {
      if (const auto hex = parse_number<std::int64_t>(text.substr(2), 16)) {
        out.literal = Value{boost::json::value(*hex)};
        return;
      }
    }
    if (const auto whole = parse_number<std::int64_t>(text)) {
      out.literal = Value{boost::json::value(*whole)};
      return;
    }
    double number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc{} || end != text.data() + text.size()) fail(cat("bad number syntax: ", quoted(token.text)));
    out.literal = Value{boost::json::value(number)};
  }

  std::string_view source_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int loops_ = 0;
  std::vector<std::string> variables_;
};

}  // namespace

std::vector<Node> parse_template(std::string_view source) { return Parser{source}.run(); }

}  // namespace berth::tmpl

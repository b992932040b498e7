#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace berth::tmpl {

struct Token {
  enum class Kind {
    text,
    open,
    close,
    field,
    variable,
    word,
    string,
    character,
    number,
    dot,
    pipe,
    declare,
    assign,
    comma,
    left_paren,
    right_paren,
    space,
    end
  } kind = Kind::end;
  std::string text;
  std::size_t at = 0;
};

/// Splits a template into tokens; trim markers and comments are dealt with here. Throws invalid.
std::vector<Token> tokenize(std::string_view source);

/// Go's text for a mistake at offset `at`: "template: :LINE: WHAT".
std::string syntax_error(std::string_view source, std::size_t at, std::string_view what);

}  // namespace berth::tmpl

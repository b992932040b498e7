#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "template/value.h"

namespace berth::tmpl {

/// text/template's own functions (but call, html and js) and those that Docker adds: json split join title lower
/// upper pad truncate.
bool is_function(std::string_view name);

/// Throws invalid with the reason alone; `and` and `or` are here too (without their short cut).
Value call_function(std::string_view name, const std::vector<Value>& arguments);

/// While the heading of a table is made, Docker's text functions return their input as it is.
Value call_header_function(std::string_view name, const std::vector<Value>& arguments);

/// fmt.Sprintf's verbs, flags, width and precision for the types a template has.
std::string format_go(const std::vector<Value>& arguments);

}  // namespace berth::tmpl

#include "agent/config/expand_env.h"

#include <cstdlib>

namespace steeple::agent {
namespace {

bool is_one_character_name(char c) {
  return (c >= '0' && c <= '9') || std::string_view("*#$@!?-").find(c) != std::string_view::npos;
}

bool is_name_character(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// What follows a dollar sign: the variable's name, and how much of the text it takes.
struct Reference {
  std::string_view name;
  std::size_t length = 0;
};

Reference read_reference(std::string_view text) {
  if (text.front() == '{') {
    if (text.size() > 2 && is_one_character_name(text[1]) && text[2] == '}') return {text.substr(1, 1), 3};
    const std::size_t end = text.find('}', 1);
    if (end == std::string_view::npos) return {{}, 1};  // no brace: "${" is eaten
    return {text.substr(1, end - 1), end + 1};
  }
  if (is_one_character_name(text.front())) return {text.substr(0, 1), 1};
  std::size_t length = 0;
  while (length < text.size() && is_name_character(text[length])) ++length;
  return {text.substr(0, length), length};
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
}

std::string expand_env(std::string_view text, const Environment& environment) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    if (text.empty()) {
      out.push_back('$');
      break;
    }
    const Reference reference = read_reference(text);
    text.remove_prefix(reference.length);
    if (reference.name == "$") {
      out.push_back('$');
    } else if (!reference.name.empty()) {
      out += environment(std::string(reference.name)).value_or("");
    } else if (reference.length == 0) {
      out.push_back('$');  // nothing that could be a name follows
    }
  }
  return out;
}

}  // namespace steeple::agent

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "agent/cli/command.h"

namespace steeple::agent::cli {
namespace {

constexpr std::string_view kGroupHelp = "This command is accessed by using one of the subcommands below.";

bool is_help(std::string_view word) { return word == "-h" || word == "-help" || word == "--help"; }
bool is_version(std::string_view word) { return word == "-v" || word == "-version" || word == "--version"; }

const Command* find_command(std::string_view words) {
  for (const Command& command : commands()) {
    if (command.words == words) return &command;
  }
  return nullptr;
}

bool is_group(std::string_view words) {
  const std::string prefix = std::string(words) + " ";
  return std::any_of(commands().begin(), commands().end(),
                     [&](const Command& command) { return command.words.starts_with(prefix); });
}

// The next words below `words` (empty: the first words), sorted, with their commands where there is one.
std::map<std::string, const Command*> children_of(std::string_view words) {
  const std::string prefix = words.empty() ? "" : std::string(words) + " ";
  std::map<std::string, const Command*> children;
  for (const Command& command : commands()) {
    if (!command.words.starts_with(prefix) || command.words.size() <= prefix.size()) continue;
    const std::string_view rest = command.words.substr(prefix.size());
    const std::string name(rest.substr(0, rest.find(' ')));
    const Command*& child = children[name];
    if (name == rest) child = &command;
  }
  return children;
}

std::string child_rows(const std::map<std::string, const Command*>& children) {
  std::size_t width = 0;
  for (const auto& [name, command] : children) width = std::max(width, name.size());
  std::string rows;
  for (const auto& [name, command] : children) {
    rows += fmt::format("\n    {:<{}}    {}", name, width, command ? command->synopsis : "");
  }
  return rows;
}

std::string top_help() {
  return fmt::format("Usage: spire-agent [--version] [--help] <command> [<args>]\n\nAvailable commands are:{}\n\n",
                     child_rows(children_of("")));
}

// A command's own usage page, then those of its children, then the closing text: each to stderr.
void print_help(std::string_view words, Context& context) {
  const Command* command = find_command(words);
  if (command) context.output.err(command->usage());
  const std::map<std::string, const Command*> children = children_of(words);
  for (const auto& [name, child] : children) {
    if (child) context.output.err(child->usage());
  }
  std::string text(command ? command->help_ending : kGroupHelp);
  if (!children.empty()) text += "\n\nSubcommands:" + child_rows(children);
  context.output.err(text + "\n");
}

struct Selection {
  std::string words;  // empty: none
  Arguments arguments;
  bool help = false;
  bool version = false;
  bool flags_before = false;
};

// The longest sequence of words from `first` on that names a command or a group; just the first word if none does.
std::size_t count_words(const Arguments& arguments, std::size_t first, std::string& words) {
  std::size_t count = 1;
  std::string tried;
  words = arguments[first];
  for (std::size_t i = first; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word.empty() || word[0] == '-' || word.find(' ') != std::string::npos) break;
    tried += (tried.empty() ? "" : " ") + word;
    if (!find_command(tried) && !is_group(tried)) break;
    words = tried;
    count = i - first + 1;
  }
  return count;
}

Selection select(const Arguments& arguments) {
  Selection selection;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--") break;
    if (is_help(word)) {
      selection.help = true;
      continue;
    }
    if (!selection.words.empty()) continue;  // only help is looked for after the command
    if (is_version(word)) {
      selection.version = true;
    } else if (word.starts_with('-')) {
      selection.flags_before = true;
    } else if (!word.empty()) {
      if (word.find(' ') != std::string::npos) break;
      const std::size_t count = count_words(arguments, i, selection.words);
      const auto rest = arguments.begin() + static_cast<std::ptrdiff_t>(i + count);
      selection.arguments.assign(rest, arguments.end());
      i += count - 1;
    }
  }
  return selection;
}

}  // namespace

void print_flag_error(const FlagSet& flags, const runtime::Error& error, Context& context) {
  if (error.code() != runtime::ErrorCode::kCancelled) context.output.err(error.message() + "\n");
  context.output.err(flags.usage());
}

int dispatch(const Arguments& arguments, Context& context) {
  const Selection selection = select(arguments);
  if (selection.version) {
    context.output.err(STEEPLE_VERSION "\n");
    return 0;
  }
  const Command* command = find_command(selection.words);
  const bool group = !selection.words.empty() && is_group(selection.words);
  if (selection.help && selection.words.empty()) {
    context.output.err(top_help());
    return 0;
  }
  if (!command && !group) {
    context.output.err(top_help());
    return 127;
  }
  if (selection.help) {
    print_help(selection.words, context);
    return 0;
  }
  if (selection.flags_before) {
    context.output.err(
        "Invalid flags before the subcommand. If these flags are for\n"
        "the subcommand, please put them after the subcommand.\n\n");
    print_help(selection.words, context);
    return 1;
  }
  if (!command) {
    print_help(selection.words, context);
    return 1;
  }
  return command->run(selection.arguments, context);
}

}  // namespace steeple::agent::cli

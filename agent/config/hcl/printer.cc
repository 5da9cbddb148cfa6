#include "agent/config/hcl/printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace steeple::agent::hcl {
namespace {

// A text in HCL's quotes. A dollar sign that would begin an interpolation is written as an escape.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || (c == '$' && text.substr(i + 1).starts_with('{'))) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// JSON's null, which HCL has not.
bool is_null(const Node& node) {
  return node.kind == NodeKind::kLiteral && node.literal.json && node.literal.text == "null";
}

bool is_text(const Token& token) { return token.kind == TokenKind::kString || token.kind == TokenKind::kHeredoc; }

// HCL's own tokens stand as they were written; JSON has escapes that HCL has not.
std::string written(const Token& token) {
  if (!token.json) return token.text;
  return is_text(token) ? quoted(token.value) : token.text;
}

class Printer {
 public:
  void items(std::span<const ItemView> views) {
    for (const ItemView& view : views) item(view);
  }

  void value(const Node& node) {
    switch (node.kind) {
      case NodeKind::kLiteral:
        out_ += written(node.literal);
        break;
      case NodeKind::kList:
        list(node);
        break;
      case NodeKind::kObject:
        out_ += '{';
        block(items_of(node));
        break;
    }
  }

  std::string take() {
    while (out_.ends_with('\n') && !ends_with_heredoc_) out_.pop_back();
    return std::move(out_);
  }

 private:
  void indent() { out_.append(2 * depth_, ' '); }
  void end_line() {
    if (!out_.ends_with('\n')) out_ += '\n';
  }

  void block(std::span<const ItemView> views) {
    out_ += '\n';
    ++depth_;
    items(views);
    --depth_;
    indent();
    out_ += '}';
  }

  // Only a block takes several keys: what a JSON document chained is nested again.
  void item(const ItemView& view) {
    const Node& node = view.value();
    if (is_null(node)) return;
    const std::span<const Token> keys = view.keys();
    const bool is_block = node.kind == NodeKind::kObject;
    indent();
    if (!is_block && keys.size() > 1) {
      out_ += written(keys.front()) + " {";
      const ItemView rest{view.item, view.skip + 1};
      block(std::span(&rest, 1));
    } else {
      for (const Token& key : keys) out_ += written(key) + " ";
      if (is_block) {
        out_ += '{';
        block(items_of(node));
      } else {
        out_ += "= ";
        value(node);
      }
    }
    ends_with_heredoc_ = node.kind == NodeKind::kLiteral && node.literal.kind == TokenKind::kHeredoc;
    end_line();
  }

  void list(const Node& node) {
    out_ += "[\n";
    ++depth_;
    for (const auto& element : node.elements) {
      if (is_null(*element)) continue;
      indent();
      value(*element);
      if (out_.ends_with('\n')) indent();  // behind a heredoc
      out_ += ",\n";
    }
    --depth_;
    indent();
    out_ += ']';
  }

  std::string out_;
  std::size_t depth_ = 0;
  bool ends_with_heredoc_ = false;
};

}  // namespace

std::string print(const View& view) {
  Printer printer;
  if (const auto* views = view.items()) {
    printer.items(*views);
  } else if (const ItemView* item = view.item(); item && !item->keys().empty()) {
    printer.items(std::span(item, 1));
  } else {
    const Node& node = item ? item->value() : *view.node();
    if (node.kind == NodeKind::kObject) {
      printer.items(items_of(node));
    } else {
      printer.value(node);
    }
  }
  return printer.take();
}

}  // namespace steeple::agent::hcl

// The grammar of config-cli 1.4. `=` is optional before a block and needed before anything else; commas between items
// are optional; keys may be several before a block.
#include <fmt/format.h>

#include "agent/config/hcl/parser.h"
#include "agent/config/hcl/scanner.h"

namespace steeple::agent::hcl {
namespace {

using runtime::Error;
using runtime::Result;

class HclParser {
 public:
  explicit HclParser(std::string_view text) : scanner_(text, Scanner::Language::kHcl) {}

  Result<Node> parse() {
    Result<Node> root = items(false, 0);
    if (scanner_.input().failed()) return error_at(scanner_.input().error_position(), scanner_.input().error());
    return root;
  }

 private:
  // Comments mean nothing to a reader of values.
  const Token& scan() {
    if (kept_) {
      kept_ = false;
      return token_;
    }
    do token_ = scanner_.scan();
    while (token_.kind == TokenKind::kComment && !scanner_.input().failed());
    return token_;
  }
  const Token& look() {
    scan();
    kept_ = true;
    return token_;
  }
  Error unexpected(std::string_view expected) const {
    return error_at(token_.position, fmt::format("{} got: {}", expected, to_string(token_.kind)));
  }

  // Up to the closing brace, or up to the end of the text; the end of the token stream is the caller's to judge.
  Result<Node> items(bool in_braces, int depth) {
    Node object;
    object.kind = NodeKind::kObject;
    object.position = token_.position;
    if (depth > kDepthMax) return error_at(token_.position, fmt::format("blocks nested deeper than {}", kDepthMax));
    for (;;) {
      if (in_braces && look().kind == TokenKind::kRightBrace) return object;
      Item item;
      bool end = false;
      STEEPLE_CHECK(keys(item, end));
      if (end) return object;
      STEEPLE_CHECK(value_of(item, end, depth));
      if (end) return object;
      object.items.push_back(std::move(item));
      if (look().kind == TokenKind::kComma) scan();
    }
  }

  // Reads keys up to `=` or `{`. `end` is set at the end of the text with no key before it.
  Result<void> keys(Item& item, bool& end) {
    for (;;) {
      const Token& token = scan();
      switch (token.kind) {
        case TokenKind::kIdentifier:
        case TokenKind::kString:
          item.keys.push_back(token);
          break;
        case TokenKind::kEnd:
          end = item.keys.empty();
          return {};
        case TokenKind::kAssign:
          if (item.keys.empty()) return error_at(token.position, "no object keys found!");
          if (item.keys.size() > 1) return unexpected("nested object expected: LBRACE");
          return {};
        case TokenKind::kLeftBrace:
          if (item.keys.empty()) return unexpected("expected: IDENT | STRING");
          return {};
        case TokenKind::kRightBrace:
          if (!item.keys.empty()) return {};  // keys without a value
          [[fallthrough]];
        default:
          return unexpected("expected: IDENT | STRING | ASSIGN | LBRACE");
      }
    }
  }

  Result<void> value_of(Item& item, bool& end, int depth) {
    if (token_.kind == TokenKind::kAssign) {
      if (look().kind == TokenKind::kEnd) {
        scan();
        end = true;  // an item cut off after its `=`; a block around it will miss its brace
        return {};
      }
      STEEPLE_TRY(node, value(depth));
      item.value = std::make_shared<Node>(std::move(node));
    } else if (token_.kind == TokenKind::kLeftBrace) {
      STEEPLE_TRY(node, block(depth));
      item.value = std::make_shared<Node>(std::move(node));
    } else {
      std::string written;
      for (const Token& key : item.keys) written += (written.empty() ? "" : " ") + key.text;
      return error_at(token_.position,
                      fmt::format("key '{}' expected start of object ('{{') or assignment ('=')", written));
    }
    look();  // as SPIRE does, so that positions at the end of the text agree
    return {};
  }

  Result<Node> value(int depth) {
    const Token& token = scan();
    switch (token.kind) {
      case TokenKind::kNumber:
      case TokenKind::kFloat:
      case TokenKind::kBool:
      case TokenKind::kString:
      case TokenKind::kHeredoc:
        return literal();
      case TokenKind::kLeftBrace:
        return block(depth);
      case TokenKind::kLeftBracket:
        return list(depth);
      default:
        return error_at(token.position, fmt::format("Unknown token: {} {} {}", to_string(token.position),
                                                    to_string(token.kind), token.text));
    }
  }

  Node literal() {
    Node node;
    node.position = token_.position;
    node.literal = token_;
    return node;
  }

  Result<Node> block(int depth) {
    STEEPLE_TRY(node, items(true, depth + 1));
    if (scan().kind != TokenKind::kRightBrace) return unexpected("object expected closing RBRACE");
    return node;
  }

  Result<Node> list(int depth) {
    if (depth >= kDepthMax) return error_at(token_.position, fmt::format("lists nested deeper than {}", kDepthMax));
    Node node;
    node.kind = NodeKind::kList;
    node.position = token_.position;
    bool need_comma = false;
    for (;;) {
      const Token token = scan();
      if (token.kind == TokenKind::kRightBracket) return node;
      if (token.kind == TokenKind::kComma) {
        need_comma = false;
        continue;
      }
      if (need_comma) return unexpected("error parsing list, expected comma or list end,");
      STEEPLE_TRY(element, list_element(token, depth));
      // A list within a list may be followed by its neighbour without a comma.
      need_comma = element.kind != NodeKind::kList;
      node.elements.push_back(std::make_unique<Node>(std::move(element)));
    }
  }

  Result<Node> list_element(const Token& token, int depth) {
    switch (token.kind) {
      case TokenKind::kBool:
      case TokenKind::kNumber:
      case TokenKind::kFloat:
      case TokenKind::kString:
      case TokenKind::kHeredoc:
        return literal();
      case TokenKind::kLeftBrace:
        return in_list(block(depth + 1), token, "object");
      case TokenKind::kLeftBracket:
        return in_list(list(depth + 1), token, "list");
      default:
        return error_at(token.position, fmt::format("unexpected token while parsing list: {}", to_string(token.kind)));
    }
  }

  static Result<Node> in_list(Result<Node> node, const Token& token, std::string_view what) {
    if (node) return node;
    return error_at(token.position,
                    fmt::format("error while trying to parse {} within list: {}", what, node.error().message()));
  }

  Scanner scanner_;
  Token token_;
  bool kept_ = false;
};

}  // namespace

Error error_at(Position position, std::string_view what) {
  return Error(runtime::ErrorCode::kMalformed, fmt::format("At {}: {}", to_string(position), what));
}

Result<std::shared_ptr<const Document>> parse_hcl(std::string_view text) {
  std::string unix_lines;
  unix_lines.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    unix_lines.push_back(text[i]);
  }
  STEEPLE_TRY(root, HclParser(unix_lines).parse());
  auto document = std::make_shared<Document>();
  document->root = std::move(root);
  return std::shared_ptr<const Document>(std::move(document));
}

Result<std::shared_ptr<const Document>> parse(std::string_view text) {
  if (text.size() > kTextSizeMax) {
    return Error(runtime::ErrorCode::kLimit, fmt::format("configuration is larger than {} bytes", kTextSizeMax));
  }
  std::string_view rest = text;
  DecodedCharacter first = decode_utf8(rest);
  while (first.size != 0 && is_unicode_space(first.character)) {
    rest.remove_prefix(first.size);
    first = decode_utf8(rest);
  }
  return first.character == '{' ? parse_json(text) : parse_hcl(text);
}

}  // namespace steeple::agent::hcl

// The JSON form (config-cli 1.5). It is read as leniently as SPIRE reads it: a comma before a closing brace, one
// missing between members (which ends the object), text after the root object. Then objects and lists of objects are
// rewritten into items with chained keys, so that `"KeyManager": [{"memory": {}}]` decodes like `KeyManager "memory"
// {}`.
#include <fmt/format.h>

#include "agent/config/hcl/parser.h"
#include "agent/config/hcl/scanner.h"

namespace steeple::agent::hcl {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

// Spelling items out multiplies their keys; a hostile text must not.
constexpr std::size_t kItemsMax = 200'000;

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : scanner_(text, Scanner::Language::kJson) {}

  Result<Node> parse() {
    Result<Node> root = [&]() -> Result<Node> {
      if (scan().kind != TokenKind::kLeftBrace) return malformed("expected object");
      return object(0);
    }();
    const CharReader& in = scanner_.input();
    if (in.failed()) {
      return Error(ErrorCode::kMalformed, fmt::format("{}: {}", to_string(in.error_position()), in.error()));
    }
    return root;
  }

 private:
  const Token& scan() { return token_ = scanner_.scan(); }
  static Error malformed(std::string message) { return Error(ErrorCode::kMalformed, std::move(message)); }
  Error expected_key() const { return malformed(fmt::format("expected: STRING got: {}", to_string(token_.kind))); }

  // After the opening brace. A closing brace where a member should be ends the object without complaint.
  Result<Node> object(int depth) {
    Node node;
    node.kind = NodeKind::kObject;
    node.position = token_.position;
    if (depth > kDepthMax) return malformed(fmt::format("objects nested deeper than {}", kDepthMax));
    for (;;) {
      Item item;
      bool end = false;
      Result<void> read = member(item, end, depth);
      if (end) return node;
      if (!read) {
        if (token_.kind == TokenKind::kRightBrace) return node;
        return read.error();
      }
      node.items.push_back(std::move(item));
      if (scan().kind != TokenKind::kComma) return node;
    }
  }

  Result<void> member(Item& item, bool& end, int depth) {
    for (;;) {
      const Token& token = scan();
      if (token.kind == TokenKind::kEnd) {
        end = true;
        return {};
      }
      if (token.kind == TokenKind::kString) {
        item.keys.push_back(token);
        continue;
      }
      if (token.kind != TokenKind::kColon || item.keys.empty()) return expected_key();
      break;
    }
    scan();
    if (token_.kind == TokenKind::kEnd) {
      end = true;
      return {};
    }
    STEEPLE_TRY(node, value(depth));
    item.value = std::make_shared<Node>(std::move(node));
    return {};
  }

  Result<Node> value(int depth) {
    switch (token_.kind) {
      case TokenKind::kNumber:
      case TokenKind::kFloat:
      case TokenKind::kBool:
      case TokenKind::kNull:
      case TokenKind::kString:
        return literal();
      case TokenKind::kLeftBrace:
        return object(depth + 1);
      case TokenKind::kLeftBracket:
        return list(depth + 1);
      default:
        return malformed(fmt::format("Expected object value, got unknown token: {} {} {}", to_string(token_.position),
                                     to_string(token_.kind), token_.text));
    }
  }

  // null is the empty string to every reader of values.
  Node literal() {
    Node node;
    node.position = token_.position;
    node.literal = token_;
    if (token_.kind == TokenKind::kNull) {
      node.literal.kind = TokenKind::kString;
      node.literal.value.clear();
    }
    return node;
  }

  // Commas are optional here; true and false are dropped; an inner '[' is not seen, its ']' ends the list.
  Result<Node> list(int depth) {
    Node node;
    node.kind = NodeKind::kList;
    node.position = token_.position;
    for (;;) {
      switch (scan().kind) {
        case TokenKind::kNumber:
        case TokenKind::kFloat:
        case TokenKind::kString:
          node.elements.push_back(std::make_unique<Node>(literal()));
          break;
        case TokenKind::kLeftBrace: {
          STEEPLE_TRY(element, object(depth + 1));
          node.elements.push_back(std::make_unique<Node>(std::move(element)));
          break;
        }
        case TokenKind::kComma:
        case TokenKind::kBool:
        case TokenKind::kLeftBracket:
          break;
        case TokenKind::kRightBracket:
          return node;
        default:
          return malformed(fmt::format("unexpected token while parsing list: {}", to_string(token_.kind)));
      }
    }
  }

  Scanner scanner_;
  Token token_;
};

// Rewrites one object's items top-down: (a) a list of objects becomes one item per element; (b) an object of objects
// becomes one item per member with the keys chained.
class Flattener {
 public:
  Result<void> run(Node& node) {
    if (node.kind == NodeKind::kObject) {
      std::vector<Item> flat;
      for (Item& item : node.items) STEEPLE_CHECK(add(std::move(item), flat));
      node.items = std::move(flat);
      for (Item& item : node.items) STEEPLE_CHECK(run(*item.value));
    }
    for (const std::unique_ptr<Node>& element : node.elements) STEEPLE_CHECK(run(*element));
    return {};
  }

 private:
  Result<void> add(Item item, std::vector<Item>& flat) {
    Node& value = *item.value;
    if (value.kind == NodeKind::kList && holds_only_objects(value)) {
      for (std::unique_ptr<Node>& element : value.elements) {
        Item copy;
        copy.keys = item.keys;
        copy.value = std::shared_ptr<Node>(std::move(element));
        STEEPLE_CHECK(add(std::move(copy), flat));
      }
      return {};
    }
    if (value.kind == NodeKind::kObject && holds_only_objects(value)) {
      for (Item& member : value.items) {
        Item copy;
        copy.keys = item.keys;
        copy.keys.insert(copy.keys.end(), member.keys.begin(), member.keys.end());
        copy.value = std::move(member.value);
        STEEPLE_CHECK(add(std::move(copy), flat));
      }
      return {};
    }
    if (++count_ > kItemsMax) return Error(ErrorCode::kLimit, fmt::format("more than {} members", kItemsMax));
    flat.push_back(std::move(item));
    return {};
  }

  static bool holds_only_objects(const Node& node) {
    for (const auto& element : node.elements) {
      if (element->kind != NodeKind::kObject) return false;
    }
    for (const Item& item : node.items) {
      if (item.value->kind != NodeKind::kObject) return false;
    }
    return !node.elements.empty() || !node.items.empty();
  }

  std::size_t count_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Document>> parse_json(std::string_view text) {
  STEEPLE_TRY(root, JsonParser(text).parse());
  STEEPLE_CHECK(Flattener().run(root));
  auto document = std::make_shared<Document>();
  document->root = std::move(root);
  document->json = true;
  return std::shared_ptr<const Document>(std::move(document));
}

}  // namespace steeple::agent::hcl

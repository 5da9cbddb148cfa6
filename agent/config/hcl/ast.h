// The tree both parsers build: objects of ordered items, lists, literals, each with its position. Built once, then
// immutable and shared (std::shared_ptr<const Document>), so that a plugin's part can be decoded long after the rest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/config/hcl/token.h"

namespace steeple::agent::hcl {

struct Item;

enum class NodeKind { kLiteral, kList, kObject };

struct Node {
  NodeKind kind = NodeKind::kLiteral;
  Position position;
  Token literal;                                // kLiteral
  std::vector<std::unique_ptr<Node>> elements;  // kList
  std::vector<Item> items;                      // kObject, in order; keys may repeat
};

// KEY [KEY ...] VALUE. Further keys are labels (`KeyManager "memory" { }`) or come from JSON objects written as one
// chain. The value is shared because the JSON form may spell one item out under several keys.
struct Item {
  std::vector<Token> keys;
  std::shared_ptr<Node> value;
};

struct Document {
  Node root;  // kObject
  bool json = false;
};

}  // namespace steeple::agent::hcl

// The table of families, for people.
#include <simdrope/io.hpp>

#include "io/family.h"

namespace simdrope::io {
namespace {

std::string answer_of(const Family& family) {
  switch (family.answer) {
    case Answer::rope: return "yes";
    case Answer::no_rope: return "none";
    case Answer::refused: break;
  }
  return family.text.empty() ? "refused" : "nested";
}

std::string number(double value) {
  std::string text = std::to_string(value);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string window_of(const Family& family) {
  if (family.latent) return "last " + number(family.rope_dim) + " of " + number(family.plain_dim + family.rope_dim);
  if (family.window_last) return "the end of the head";
  if (family.rotary_dim != 0) return number(family.rotary_dim);
  if (family.fraction != 1) return number(family.fraction) + " of the head";
  return "";
}

std::string layers_of(const Family& family) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (!family.list.key.empty()) add("by " + std::string(family.list.key));
  if (family.period.length != 0) {
    // Not "every " + number(...): GCC 12 warns there of an overlapping copy that cannot be.
    add(std::string("every ") + number(family.period.length) + "th " + std::string(family.period.one) + ", else " +
        std::string(family.period.others));
  }
  for (const Kind& kind : family.kinds) {
    if (kind.type.empty()) continue;
    std::string part(kind.type.substr(0, kind.type.find(' ')));
    part += ":";
    if (kind.rotates == Kind::Rotates::no) part += " no RoPE";
    if (kind.rotates == Kind::Rotates::unless_window) part += " no RoPE where there is a sliding window";
    if (kind.theta != 0) part += " theta " + number(kind.theta);
    if (kind.unscaled) part += " unscaled";
    if (kind.fraction != 0) part += " " + number(kind.fraction) + " of the window";
    if (!kind.rope.empty()) part += " " + std::string(kind.rope);
    if (part.ends_with(':')) continue;
    add(part);
  }
  return text;
}

}  // namespace

std::vector<FamilyInfo> families() {
  std::vector<FamilyInfo> list;
  for (const FileType file : {FileType::config_json, FileType::gguf}) {
    for (const Family& family : families(file)) {
      FamilyInfo info;
      info.names = std::string(family.names);
      info.file = file == FileType::config_json ? "config.json" : "gguf";
      info.rope = answer_of(family);
      if (family.answer == Answer::rope) {
        info.pairing = family.pairing == half ? "half" : "interleaved";
        info.window = window_of(family);
        info.theta = family.theta;
        info.layers = layers_of(family);
      }
      info.note = std::string(family.note);
      if (!family.text.empty()) info.note = "nested: " + std::string(family.text);
      info.source = std::string(family.source);
      list.push_back(std::move(info));
    }
  }
  return list;
}

}  // namespace simdrope::io

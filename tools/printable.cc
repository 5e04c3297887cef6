#include "printable.h"

namespace simdrope::tool {
namespace {

// The length of the valid UTF-8 sequence at the beginning of `text`; 0: none.
size_t SequenceLength(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  const size_t length = lead < 0x80                   ? 1
                        : lead >= 0xc2 && lead < 0xe0 ? 2
                        : lead >= 0xe0 && lead < 0xf0 ? 3
                        : lead >= 0xf0 && lead < 0xf5 ? 4
                                                      : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

// Of ASCII, of C1 (U+0080 to U+009F), and those that turn the direction of text.
bool IsControl(std::string_view sequence) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 1) return at(0) < 0x20 || at(0) == 0x7f;
  if (sequence.size() == 2) return at(0) == 0xc2 && at(1) < 0xa0;
  return at(0) == 0xe2 && ((at(1) == 0x80 && at(2) >= 0x8b && at(2) <= 0xae) || (at(1) == 0x81 && at(2) >= 0xa0));
}

}  // namespace

std::string Printable(std::string_view text, size_t longest) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (i >= longest) return out + "...";
    const size_t length = SequenceLength(text.substr(i));
    if (length != 0 && !IsControl(text.substr(i, length))) {
      out += text.substr(i, length);
      i += length;
      continue;
    }
    const auto byte = static_cast<unsigned char>(text[i++]);
    out += "\\x";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

}  // namespace simdrope::tool

// Text from a file or the command line, safe to print: what a terminal would obey is shown as \xNN.
#ifndef SIMDROPE_TOOLS_PRINTABLE_H_
#define SIMDROPE_TOOLS_PRINTABLE_H_

#include <string>
#include <string_view>

namespace simdrope::tool {

// Control characters, NUL included, and what is not UTF-8 become \xNN. Cut after about `longest` bytes.
std::string Printable(std::string_view text, size_t longest = 200);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_PRINTABLE_H_

// The command's option for a field of a Config.
#ifndef SIMDROPE_TOOLS_OPTION_NAMES_H_
#define SIMDROPE_TOOLS_OPTION_NAMES_H_

#include <algorithm>
#include <string>

namespace simdrope::tool {

// "scaling.low_freq_factor" is "--low-freq-factor", "axes.sections" is "--axes-sections".
inline std::string OptionOf(std::string field) {
  if (field == "scaling.type") return "--scaling";
  if (field.rfind("scaling.", 0) == 0) field.erase(0, 8);
  std::replace(field.begin(), field.end(), '_', '-');
  std::replace(field.begin(), field.end(), '.', '-');
  return "--" + field;
}

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_OPTION_NAMES_H_

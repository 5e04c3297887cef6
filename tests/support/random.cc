#include "support/random.h"

#include <cstdlib>

namespace testing {

bool IsQuick() {
  const char* quick = std::getenv("SIMDROPE_QUICK");
  return quick != nullptr && quick[0] == '1';
}

}  // namespace testing

#include "implementation.h"

namespace simdrope::bench {

Implementations AllImplementations() {
  Implementations all;
  const auto add = [&](Implementations some) {
    for (auto& implementation : some) all.push_back(std::move(implementation));
  };
  add(MakeSimdrope());
#ifdef HAVE_ROW_FUNCTIONS
  add(MakeRowFunctions());
#endif
  add(MakeRoofs());
  add(MakeMemcpy());
  add(MakePlainLoops());
#ifdef HAVE_ONNXRUNTIME
  add(MakeOnnxRuntime());
#endif
#ifdef HAVE_GGML
  add(MakeGgml());
#endif
#ifdef HAVE_TORCH
  add(MakeTorch());
#endif
  return all;
}

std::vector<Absent> AbsentImplementations() {
  std::vector<Absent> absent;
  // The reasons come from the build, which tried.
#ifndef HAVE_ROW_FUNCTIONS
  absent.push_back({"rows", "needs -Ddefault_library=both"});
#endif
#ifndef HAVE_LOOP_GCC
  absent.push_back({"loop-gcc", WHY_NO_LOOP_GCC});
#endif
#ifndef HAVE_LOOP_CLANG
  absent.push_back({"loop-clang", WHY_NO_LOOP_CLANG});
#endif
#ifndef HAVE_ONNXRUNTIME
  absent.push_back({"onnxruntime", WHY_NO_ONNXRUNTIME});
#endif
#ifndef HAVE_GGML
  absent.push_back({"ggml", WHY_NO_GGML});
#endif
#ifndef HAVE_TORCH
  absent.push_back({"torch", WHY_NO_TORCH});
#endif
  return absent;
}

}  // namespace simdrope::bench

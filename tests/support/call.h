// A call of apply checked against the reference: inputs to fill its tensors with, and what else it may write.
#ifndef SIMDROPE_TESTS_SUPPORT_CALL_H_
#define SIMDROPE_TESTS_SUPPORT_CALL_H_

#include <array>
#include <functional>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

#include "core/format.h"
#include "reference/job.h"
#include "support/buffer.h"
#include "support/ids.h"
#include "support/random.h"

namespace testing {

using namespace simdrope::reference;
using simdrope::Format;
using simdrope::Pairing;

// Every format that the library has.
inline constexpr auto kAllFormats = [] {
  std::array<Format, simdrope::impl::kFormatCount> all{};
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Format>(i);
  return all;
}();

// The three that rotations without stages take.
inline constexpr Format kFormats[] = {simdrope::f32, simdrope::f16, simdrope::bf16};

// theta^(-2 i / dim), with no scaling.
inline std::vector<double> PlainInvFreq(double theta, int dim) {
  return FrequenciesOf(simdrope::Config(dim, theta)).inv_freq;
}

// Sets window and rows of the job to those of `rope`, of `config`, at `ids`, which must outlive the job.
void UseRope(const simdrope::Rope& rope, const simdrope::Config& config, const Ids& ids, Job* job);

enum class Inputs {
  kTame,        // of either sign, within [1/16, 2]
  kWide,        // any exponent that the type has
  kCancelling,  // x cos is as near to y sin as the type allows
  kSubnormal,
  kSpecial  // infinities, NaN, zeros of both signs, the greatest finite value, among tame ones
};

// Fills the input tensors of the job: those of F32, F16 and BF16.
void FillInputs(const Job& job, Inputs inputs, Random* random);

// Runs `run` and compares its output with the reference. Also: no byte of `buffers` but the output's
// is written, guards included. "" where all is well, else what differs first.
std::string CheckJob(const Job& job, const std::vector<Buffer*>& buffers, const std::function<simdrope::Status()>& run);

// Makes every NaN in `tensors` the same one. Which of two NaNs comes out of an operation depends on the
// order of its operands (IEEE 754-2019, 6.2.3), which a compiler is free to choose anew in each loop: bits
// can be compared only after this.
void UnifyNaNs(const simdrope::QKV& tensors);

// Elements that CheckJob has compared since the program began.
int64_t ComparedElements();

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_CALL_H_

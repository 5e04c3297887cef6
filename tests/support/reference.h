// The rotation in double, and how far the library may be from it.
//
// Error analysis. With u = 2^-24, the library computes fl(fl(x c) - y s): the product is off by
// u |x c|, the sum by u |x c - y s|, together (fused or not) at most 2u (|x c| + |y s|) and a few
// units of the least subnormal. c and s themselves are exact if they come from a table; computed
// ones are within 0.51 ULP, at most 1.02 u |c|, or 2^-40 near a zero. Every factor folded into c and
// s (a scale, a magnitude) is one more rounding, u each. The result is rounded once more to a 16-bit
// type: half an ULP there. |x c| + |y s|, not |x c - y s|, is what scales the error: cancellation
// does not loosen it.
#ifndef SIMDROPE_TESTS_SUPPORT_REFERENCE_H_
#define SIMDROPE_TESTS_SUPPORT_REFERENCE_H_

#include <functional>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

#include "support/buffer.h"
#include "support/random.h"

namespace testing {

inline constexpr double kU = 0x1p-24;
inline constexpr double kComputedRows = 1.02 * kU;
inline constexpr double kComputedFloor = 0x1p-40;

enum class Action { kRotate, kCopy, kSkip };

// cos and sin of one token for one side, by pair.
struct Row {
  Action action = Action::kRotate;
  std::vector<double> cos;
  std::vector<double> sin;
  double query_scale = 1;
};

// cos and sin of position * inv_freq, times magnitude, in extended precision.
Row RowAt(const std::vector<double>& inv_freq, const std::vector<double>& positions, double magnitude = 1);
Row RowAt(const std::vector<double>& inv_freq, double position, double magnitude = 1);

// What one call of apply is to do, told apart from how it is asked for.
struct Job {
  simdrope::QKV in;
  simdrope::QKV out;
  int rotary_dim = 0;
  int rotary_offset = 0;
  int split = 0;  // of half pairs
  simdrope_pairing pairing = SIMDROPE_HALF;
  simdrope_pairing output_pairing = SIMDROPE_HALF;
  bool inverse = false;
  double q_scale = 1;
  std::function<Row(bool key, int64_t b, int64_t s)> row;
  double row_error = kComputedRows;   // relative, of cos and sin
  double row_floor = kComputedFloor;  // absolute

  void SetWindow(int dim, int offset, simdrope_pairing in_pairing);
};

// The rotation of one head, in eight lines.
void RotateHead(const Job& job, const Row& row, const std::vector<double>& in, std::vector<double>* out);

void* ElementOf(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h, int64_t d);
double ValueOf(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h, int64_t d);

// Calls visit(b, s, h) for every head of t.
template <class Visit>
void ForHeads(const simdrope_tensor& t, const Visit& visit) {
  for (int64_t b = 0; b < t.batch; ++b) {
    for (int64_t s = 0; s < t.seq; ++s) {
      for (int64_t h = 0; h < t.heads; ++h) visit(b, s, h);
    }
  }
}

enum class Inputs {
  kTame,        // of either sign, within [1/16, 2]
  kWide,        // any exponent that the type has
  kCancelling,  // x cos is as near to y sin as the type allows
  kSubnormal,
  kSpecial  // infinities, NaN, zeros of both signs, the greatest finite value, among tame ones
};

// Fills the input tensors of the job.
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

#endif  // SIMDROPE_TESTS_SUPPORT_REFERENCE_H_

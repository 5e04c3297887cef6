// Rows of cos and sin as a Config means them, and as a caller's table has them.
#ifndef SIMDROPE_REFERENCE_ROWS_H_
#define SIMDROPE_REFERENCE_ROWS_H_

#include <cstdint>
#include <simdrope/simdrope.hpp>
#include <vector>

#include "reference/element.h"

namespace simdrope::reference {

// Where a token stands on one axis: a whole number, or a real-valued coordinate.
struct Position {
  int64_t whole = 0;
  double real = 0;  // the same as a double, or the coordinate
  bool is_real = false;
};
inline Position At(int64_t position) { return {position, static_cast<double>(position), false}; }
inline Position AtReal(double position) { return {0, position, true}; }

// Token s of batch entry b on `axis`, by the rule that simdrope_positions states.
Position PositionOf(const simdrope_positions& positions, int axis, int64_t b, int64_t s);
bool IsPadding(const simdrope_positions& positions, int64_t b, int64_t s);

// cos and sin of position * inv_freq radians, to about 2^-53 of the greater of the two. The product is exact.
struct CosSinValues {
  double cos;
  double sin;
};
CosSinValues ExactCosSin(Position position, double inv_freq);

// By how much the library's cos and sin may be off there beyond kRowUlp ULP: the resolution of its angle.
double RowFloor(Position position, double inv_freq, simdrope_precision precision);

// What a Config says of each pair: the formulas of its scaling in long double, from the papers that
// src/angle/frequencies.h names.
struct Frequencies {
  std::vector<double> inv_freq;  // radians per position; of all pairs on each axis in turn, where axes are summed
  std::vector<int> axis;         // of each pair
  double attention_factor = 1;
};
Frequencies FrequenciesOf(const simdrope_config& config);
// As a Rope has them: what its rows are exact to.
Frequencies FrequenciesOf(const simdrope_rope_info& info);

enum class Action { kRotate, kCopy, kSkip };  // kCopy: as by angle 0; kSkip: the output is left alone

// cos and sin of one token for one operand, by pair; where the two elements of a pair have their own (angle_order),
// those of all first elements and then those of the second.
struct Row {
  Action action = Action::kRotate;
  std::vector<double> cos;
  std::vector<double> sin;
  double error = kRowError;   // of both, relative
  std::vector<double> floor;  // of both, absolute, by pair; empty: 0
  double query_scale = 1;     // temperature
};

// cos and sin of position * inv_freq, times magnitude.
Row RowAt(const std::vector<double>& inv_freq, const std::vector<double>& positions, double magnitude = 1);
Row RowAt(const std::vector<double>& inv_freq, double position, double magnitude = 1);

// The row of a Config for Q or, with XPos, for `key`: positions of each axis in on_axis.
Row RowOf(const simdrope_config& config, const Frequencies& frequencies, const std::vector<Position>& on_axis,
          bool key);

// Row `row` of entry b, pair by pair from the row that on_axis names for pair_axis (NULL: axis 0).
Row RowOfTable(const simdrope_table& table, int pairs, const uint8_t* pair_axis, int64_t b,
               const std::vector<Position>& on_axis, double magnitude);

}  // namespace simdrope::reference

#endif  // SIMDROPE_REFERENCE_ROWS_H_

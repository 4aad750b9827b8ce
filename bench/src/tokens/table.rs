//! What is printed: one table, in which each figure stands beside its ratio to what the program did in the same run.

use std::fmt::Write as _;
use std::time::Duration;

use super::alone::Alone;
use super::contender::Contender;
use super::{Line, Round};
use crate::machine::median;

/// The table with a line for each contender, and one for each way of SQLite by itself.
pub(super) fn of(lines: &[Line], alone: &[(Alone, Vec<Round>)]) -> String {
    let own = |rounds: fn(&Line) -> &[Round]| {
        let rate = |contender| rate(rounds(lines.iter().find(|line| line.contender == contender)?));
        OWN.map(rate)
    };
    let (refreshes, grants) = (own(|line| &line.refreshes), own(|line| &line.grants));
    let mut table = HEAD.to_owned();
    for line in lines {
        let start = median(&line.starts.iter().map(Duration::as_secs_f64).collect::<Vec<_>>()) * 1000.0;
        let memory = |of: fn(&(u64, u64)) -> u64| {
            let kib = line.idle.iter().map(of).filter_map(|kib| u32::try_from(kib).ok()).map(f64::from);
            median(&kib.collect::<Vec<_>>()) / 1024.0
        };
        let (resident, proportional) = (memory(|idle| idle.0), memory(|idle| idle.1));
        let (first, second) = (cells(&line.refreshes, &refreshes), cells(&line.grants, &grants));
        let _ = write!(
            table,
            "\n| {} | {first} | {second} | {start:.0} | {resident:.0} | {proportional:.0} |",
            line.contender
        );
    }
    for (kind, rounds) in alone {
        let _ = write!(table, "\n| {} | {} | | | | | | |", kind.name(), cells(rounds, &refreshes));
    }
    table
}

/// The rate of some rounds, how many times as fast the program was, and what a thousand cost.
fn cells(rounds: &[Round], own: &[Option<f64>; 3]) -> String {
    let Some(rate) = rate(rounds) else { return " | | ".to_owned() };
    let cost = median(&rounds.iter().map(Round::cost).collect::<Vec<_>>());
    let times = own.map(|own| own.map_or_else(|| "–".to_owned(), |own| ratio(own / rate)));
    format!("{rate:.0} | {} | {cost:.3}", times.join(" / "))
}

fn rate(rounds: &[Round]) -> Option<f64> {
    (!rounds.is_empty()).then(|| median(&rounds.iter().map(Round::rate).collect::<Vec<_>>()))
}

/// With as many digits as it has meaning.
fn ratio(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

/// The rows of the program, in the order of the ratios.
const OWN: [Contender; 3] = [Contender::CoatroomMemory, Contender::Coatroom, Contender::CoatroomNormal];

const HEAD: &str = "| | refreshes/s | Coatroom ÷ it: memory / FULL / NORMAL | CPU s per 1,000 | code grants/s | Coatroom ÷ it | CPU s per 1,000 | start, ms | idle MiB, RSS | PSS |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(rates: [f64; 3]) -> Vec<Round> {
        rates.map(|done| Round { done, seconds: 1.0, computed: Duration::from_millis(500) }).to_vec()
    }

    fn line(contender: Contender, refreshes: Vec<Round>, grants: Vec<Round>) -> Line {
        let starts = vec![Duration::from_millis(12), Duration::from_millis(14), Duration::from_millis(400)];
        Line { contender, refreshes, grants, starts, idle: vec![(20_480, 10_240)] }
    }

    #[test]
    fn medians_stand_beside_what_the_program_did_in_the_same_run() {
        let lines = [
            line(Contender::CoatroomMemory, rounds([900.0, 1000.0, 4000.0]), rounds([500.0; 3])),
            line(Contender::BetterAuth, rounds([40.0, 1.0, 50.0]), rounds([200.0; 3])),
            line(Contender::Nginx, Vec::new(), Vec::new()),
        ];
        let table = of(&lines, &[(Alone::Together, rounds([4000.0; 3]))]);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows[0],
            "| Coatroom, memory | 1000 | 1.00 / – / – | 0.500 | 500 | 1.00 / – / – | 1.000 | 14 | 20 | 10 |"
        );
        assert_eq!(
            rows[1],
            "| better-auth, SQLite (NORMAL) | 40 | 25 / – / – | 12.500 | 200 | 2.50 / – / – | 2.500 | 14 | 20 | 10 |"
        );
        assert_eq!(rows[2], "| nginx |  | |  |  | |  | 14 | 20 | 10 |");
        assert_eq!(
            rows[3],
            "| SQLite alone, FULL, sixteen together | 4000 | 0.25 / – / – | 0.125 | | | | | | |"
        );
    }

    #[test]
    fn every_row_has_as_many_cells_as_the_head() {
        let lines = [
            line(Contender::Nginx, Vec::new(), Vec::new()),
            line(Contender::Coatroom, rounds([1.0; 3]), rounds([1.0; 3])),
        ];
        let table = of(&lines, &[(Alone::Full, rounds([1.0; 3]))]);
        let cells: Vec<usize> = table.lines().map(|row| row.matches('|').count()).collect();
        assert!(cells.iter().all(|found| *found == cells[0]), "{cells:?}");
    }
}

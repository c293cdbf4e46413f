/**
 * Rules that tests switch off one at a time, to show that their schedules would notice. Never set outside tests.
 * - `feed-before-markers`: a probe reads the feed first, then lists the markers.
 * - `share-begun-look`: a look at a folder also serves those who ask while it is under way.
 * - `feed-moves-unmarked`: a feed entry is taken in without marking the packages that it names.
 * - `reread-settles-later-probes`: a re-read also counts for probes that ended after it began.
 * - `marker-expires-without-floor`: an old marker is deleted though its writer may still commit.
 * - `own-markers-unfed`: a process deletes its own markers once their entries stand, whether the feed has them or not.
 * - `unconditional-create`: a slot is written whether it is taken or not.
 * - `acknowledge-at-once`: the answer does not wait until every instance will see the change.
 * - `refuse-from-cache`: a "no" rests on what was cached.
 * - `forget-own-id`: a slot that turns out to hold the own entry counts as lost.
 * - `marker-after-create`: the change is announced only once it is there.
 * - `skip-rescue`: objects that a floor has passed are named all the same.
 * - `collect-without-floor`: condemned objects are deleted before a floor says so.
 * - `floor-from-clock`: a collector's floor stands at "now".
 * - `delete-before-drop`: a blob's bytes go before the log says so.
 * - `manifest-unchecked`: what a manifest names is looked for in the state that the request began with, not in the one that its commit meets.
 * - `head-untouched`: whoever asks for a blob in order to name it says nothing to the collector.
 * - `age-by-writer-clock`: a blob is as old as the clock of the instance that took it in says.
 * - `finish-unsealed`: an upload's bytes are named without a word in the session that this is going to happen.
 */
export type Mutant =
  | 'feed-before-markers'
  | 'share-begun-look'
  | 'feed-moves-unmarked'
  | 'reread-settles-later-probes'
  | 'marker-expires-without-floor'
  | 'own-markers-unfed'
  | 'unconditional-create'
  | 'acknowledge-at-once'
  | 'refuse-from-cache'
  | 'forget-own-id'
  | 'marker-after-create'
  | 'skip-rescue'
  | 'collect-without-floor'
  | 'floor-from-clock'
  | 'delete-before-drop'
  | 'manifest-unchecked'
  | 'head-untouched'
  | 'age-by-writer-clock'
  | 'finish-unsealed';

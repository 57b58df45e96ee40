-- Almost every hug is marked delivered soon after it is stored, in one go with its neighbours. With half of each page
-- left free the new versions stay on their page, and none of the four indexes is written again.
alter table hugs set (fillfactor = 50);

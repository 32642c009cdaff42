/** The folders of OTB2013 (50, 51 targets), OTB2015 (98, 100 targets) and its harder half OTB50 (49, 50 targets). */

const otb2013 = `
  Basketball Bolt Boy Car4 CarDark CarScale Coke Couple Crossing David David2 David3 Deer Dog1 Doll Dudek FaceOcc1 FaceOcc2 Fish FleetFace
  Football Football1 Freeman1 Freeman3 Freeman4 Girl Ironman Jogging Jumping Lemming Liquor Matrix Mhyang MotorRolling MountainBike Shaking
  Singer1 Singer2 Skating1 Skiing Soccer Subway Suv Sylvester Tiger1 Tiger2 Trellis Walking Walking2 Woman`

const otb50 = `
  Basketball Biker Bird1 BlurBody BlurCar2 BlurFace BlurOwl Bolt Box Car1 Car4 CarDark CarScale ClifBar Couple Crowds David Deer Diving
  DragonBaby Dudek Football Freeman4 Girl Human3 Human4 Human6 Human9 Ironman Jump Jumping Liquor Matrix MotorRolling Panda RedTeam Shaking
  Singer2 Skating1 Skating2 Skiing Soccer Surfer Sylvester Tiger2 Trellis Walking Walking2 Woman`

/** What OTB2015 has besides OTB50. */
const others = `
  Bird2 BlurCar1 BlurCar3 BlurCar4 Board Bolt2 Boy Car2 Car24 Coke Coupon Crossing Dancer Dancer2 David2 David3 Dog Dog1 Doll FaceOcc1
  FaceOcc2 Fish FleetFace Football1 Freeman1 Freeman3 Girl2 Gym Human2 Human5 Human7 Human8 Jogging KiteSurf Lemming Man Mhyang MountainBike
  Rubik Singer1 Skater Skater2 Subway Suv Tiger1 Toy Trans Twinnings Vase`

/** @returns names of folders, each once */
export function otbFolders(benchmark: string): string[] {
  const text = benchmark === 'OTB2013' ? otb2013 : benchmark === 'OTB50' ? otb50 : `${otb50} ${others}`
  return text.trim().split(/\s+/)
}
